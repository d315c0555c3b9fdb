"""The view as JSON, for programs: what a replica keeps, in pages, with an ETag so that what did not change is not sent."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException, ServiceUnavailableException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from liveserver.hub import unknown_symbol
from liveserver.market_view import MarketView
from liveserver.messages import CandleData, OrderData, TradeData
from liveserver.naming import Market
from liveserver.projection import Projection
from liveserver.replica import Replica

JSON = "application/json"
FOR_EVER = 1 << 53

T = TypeVar("T", CandleData, TradeData)
Seconds = Annotated[int, QueryParameter(ge=0, description="since the epoch")]
Limit = Annotated[
    int, QueryParameter(ge=1, le=1500, description="a little more where the last second has more")
]
AnyRequest = Request[Any, Any, Any]

_encoder = msgspec.json.Encoder()


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items, oldest first."""

    items: Sequence[T]
    next: int | None
    """The `start` of the next page; None on the last one."""


def api_routes(replica: Replica) -> list[HTTPRouteHandler]:
    """Return the routes of the API."""

    @get("/api/candles")
    async def candles(
        request: AnyRequest,
        symbol: FromQuery[str] = "",
        venue: FromQuery[str] = "",
        interval: FromQuery[str] = "",
        start: Seconds = 0,
        end: Seconds = FOR_EVER,
        limit: Limit = 500,
    ) -> Response[bytes]:
        """Candles that opened from `start` to before `end`."""
        projection, market = _find(replica, symbol, venue)
        rows = projection.view(market).candles(projection.interval(market, interval))
        return _answer(request, page(rows, start, end, limit))

    @get("/api/fills")
    async def fills(
        request: AnyRequest,
        symbol: FromQuery[str] = "",
        venue: FromQuery[str] = "",
        start: Seconds = 0,
        end: Seconds = FOR_EVER,
        limit: Limit = 500,
    ) -> Response[bytes]:
        """Own trades from `start` to before `end`, as far back as this server keeps them, and how they were booked."""
        return _answer(request, page(_view(replica, symbol, venue).trades(), start, end, limit))

    @get("/api/orders")
    async def orders(
        request: AnyRequest, symbol: FromQuery[str] = "", venue: FromQuery[str] = ""
    ) -> Response[bytes]:
        """All open orders."""
        return _answer(request, _view(replica, symbol, venue).orders())

    return [candles, fills, orders]


def page(rows: Sequence[T], start: int, end: int, limit: int) -> Page[T]:
    """Return the first rows of a span, at least `limit` of them where there are; a second is never divided."""
    found = [row for row in rows if start <= row.time < end]
    cut = min(limit, len(found))
    while cut < len(found) and found[cut].time == found[cut - 1].time:
        cut += 1
    return Page(found[:cut], found[cut].time if cut < len(found) else None)


def _view(replica: Replica, symbol: str, venue: str) -> MarketView:
    projection, market = _find(replica, symbol, venue)
    return projection.view(market)


def _find(replica: Replica, symbol: str, venue: str) -> tuple[Projection, Market]:
    projection = replica.projection
    if not projection:
        raise ServiceUnavailableException("nothing is known yet")
    market = projection.find(symbol, venue)
    if market is None:
        raise NotFoundException(unknown_symbol(symbol, venue, projection.names.values()))
    return projection, market


def _answer(
    request: AnyRequest, body: Page[CandleData] | Page[TradeData] | Sequence[OrderData]
) -> Response[bytes]:
    encoded = _encoder.encode(body)
    etag = f'"{hashlib.sha256(encoded).hexdigest()[:24]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(encoded, headers=headers, media_type=JSON)
