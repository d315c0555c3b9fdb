"""The view as JSON, for programs: what a replica keeps, in pages, and older candles from the bus.

Every answer has an ETag, so that what did not change is not sent again; who may not see amounts gets what the public
sees: see `redaction`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from liveserver.auth.authenticator import Guard
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import Action
from liveserver.http.errors import ERRORS, Refused
from liveserver.http.pagination import LARGEST_PAGE, CandlePage, TradePage, page
from liveserver.http.route_guards import identity_of, needs
from liveserver.hub.replica import Replica
from liveserver.protocol.redaction import Pseudonym, redacted
from liveserver.protocol.reports import ProfitData, StatusReport
from liveserver.protocol.server_messages import CandleData, MessageType, OrderData, SymbolData
from liveserver.protocol.symbol_names import Market
from liveserver.view.market_view import MarketView
from liveserver.view.older_candles import OlderCandles
from liveserver.view.profit import profit_of
from liveserver.view.projection import Channel, Projection
from liveserver.view.topics import unknown_symbol

FOR_EVER = 1 << 53
"""Seconds: as far as every JSON reader counts exactly."""

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
Name = Annotated[str, QueryParameter(max_length=64, description="as the page writes it, or the ccxt symbol")]
Venue = Annotated[str, QueryParameter(max_length=64, description="only needed where two have the symbol")]
Interval = Annotated[str, QueryParameter(max_length=8, description="such as 1m; the shortest when left out")]
Start = Annotated[
    int, QueryParameter(ge=0, le=FOR_EVER, description="from here on, in seconds since the epoch")
]
End = Annotated[int, QueryParameter(ge=0, le=FOR_EVER, description="to before here")]
Limit = Annotated[
    int, QueryParameter(ge=1, le=LARGEST_PAGE, description="a little more where the last second has more")
]
Newest = Annotated[bool, QueryParameter(description="the last page of the span instead of its first")]


class SnapshotMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as a socket would bring it."""

    type: MessageType
    data: Any
    """According to the type: see `liveserver.messages`."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a new viewer would be told."""

    venue: str
    symbol: str
    interval: str
    messages: list[SnapshotMessage]


def api_routes(
    replica: Replica, guard: Guard, alias: Pseudonym, older: OlderCandles
) -> list[HTTPRouteHandler]:
    """Return the routes of the API."""
    view = _View(replica, guard, alias)
    return [*_state_routes(view), *_history_routes(view, older), *_account_routes(view)]


class _View:
    """What the routes share: whose view it is, and of which market."""

    def __init__(self, replica: Replica, guard: Guard, alias: Pseudonym) -> None:
        self.replica = replica
        self.guard = guard
        self.alias = alias

    def shown(self, request: AnyRequest, data: T) -> T:
        """Return what somebody may see of data."""
        if not identity_of(self.guard, request).is_redacted:
            return data
        return redacted(data, self.alias)  # type: ignore[no-any-return] # of the type that it was

    def market(self, symbol: str, venue: str) -> MarketView:
        projection, market = self.find(symbol, venue)
        return projection.view(market)

    def find(self, symbol: str, venue: str) -> tuple[Projection, Market]:
        projection = self.replica.projection
        if not projection:
            raise Refused(
                Refusal(503, "not_ready", "nothing is known yet", "wait until the bus has been read")
            )
        market = projection.find(symbol, venue)
        if market is None:
            known = list(projection.names.values())
            what = unknown_symbol(symbol, venue, known)
            raise Refused(Refusal(404, "unknown_symbol", what, "see /api/symbols"))
        return projection, market


def _state_routes(view: _View) -> list[HTTPRouteHandler]:
    guards = [needs(view.guard, Action.WATCH)]

    @get("/api/status", guards=guards, responses=ERRORS, tags=["state"])
    async def status(request: AnyRequest) -> StatusReport:
        """How this server is, and whether it hears the bus."""
        return view.shown(request, view.replica.status_report())

    @get("/api/symbols", guards=guards, responses=ERRORS, tags=["state"])
    async def symbols(request: AnyRequest) -> list[SymbolData]:
        """All symbols, those that are traded first."""
        return list(view.shown(request, view.replica.symbols()))

    @get("/api/snapshot", guards=guards, responses=ERRORS, tags=["state"])
    async def snapshot(
        request: AnyRequest, symbol: Name = "", venue: Venue = "", interval: Interval = ""
    ) -> Snapshot:
        """Return what a new viewer of a symbol is told, in the order of the messages."""
        projection, market = view.find(symbol, venue)
        channel = Channel(market, projection.interval(market, interval))
        told = [
            SnapshotMessage(type=each.type, data=view.shown(request, each.data))
            for each in projection.snapshot(channel)
        ]
        return Snapshot(venue=market.venue, symbol=market.symbol, interval=channel.interval, messages=told)

    return [status, symbols, snapshot]


def _history_routes(view: _View, older: OlderCandles) -> list[HTTPRouteHandler]:
    guards = [needs(view.guard, Action.WATCH)]

    @get("/api/candles", guards=guards, responses=ERRORS, tags=["history"])
    async def candles(
        request: AnyRequest,
        symbol: Name = "",
        venue: Venue = "",
        interval: Interval = "",
        start: Start = 0,
        end: End = FOR_EVER,
        limit: Limit = 500,
        newest: Newest = False,
    ) -> CandlePage:
        """Candles that opened from `start` to before `end`; a chart scrolls back with `end` and `newest`."""
        projection, market = view.find(symbol, venue)
        wanted = projection.interval(market, interval)
        rows: Sequence[CandleData] = projection.view(market).candles(wanted)
        if older.are_needed(rows, start, end, limit, newest=newest):
            rows = await older.joined(view.replica.bus, market, wanted, rows)
        return CandlePage(**page(rows, start, end, limit, newest=newest)._asdict())

    @get("/api/fills", guards=guards, responses=ERRORS, tags=["history"])
    async def fills(
        request: AnyRequest,
        symbol: Name = "",
        venue: Venue = "",
        start: Start = 0,
        end: End = FOR_EVER,
        limit: Limit = 500,
        newest: Newest = False,
    ) -> TradePage:
        """Own trades from `start` to before `end`, as far back as this server keeps them, and how they were booked."""
        found = page(view.market(symbol, venue).trades(), start, end, limit, newest=newest)
        return TradePage(**found._replace(items=view.shown(request, found.items))._asdict())

    return [candles, fills]


def _account_routes(view: _View) -> list[HTTPRouteHandler]:
    guards = [needs(view.guard, Action.WATCH)]

    @get("/api/orders", guards=guards, responses=ERRORS, tags=["account"])
    async def orders(request: AnyRequest, symbol: Name = "", venue: Venue = "") -> list[OrderData]:
        """All open orders of a symbol."""
        return list(view.shown(request, view.market(symbol, venue).orders()))

    @get("/api/profit", guards=guards, responses=ERRORS, tags=["account"])
    async def profit(request: AnyRequest, symbol: Name = "", venue: Venue = "") -> ProfitData:
        """Return what a grid has made, what it consists of, and what holding would have made."""
        projection, market = view.find(symbol, venue)
        found = profit_of(projection.view(market), projection.equity(market))
        if found is None:
            raise Refused(Refusal(404, "not_traded", f"no grid trades {market.symbol}", "see /api/symbols"))
        return view.shown(request, found)

    return [orders, profit]
