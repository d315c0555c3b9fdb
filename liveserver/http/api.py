"""The HTTP API: state and history as JSON, paginated, with older candles from the bus.

Every answer with status 200 has an ETag (see `middleware`). Clients without the role for amounts get the redacted view
(see `redaction`). Every parameter is honoured or rejected: an unknown or repeated one is an error.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from liveserver.auth.authenticator import Authenticator
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import Action
from liveserver.http.errors import ERRORS, RequestRejected
from liveserver.http.middleware import etag_of
from liveserver.http.pagination import MAX_PAGE_ROWS, CandlePage, QuotingPage, TradePage, page
from liveserver.http.route_guards import RouteGuard, check_parameters, identity_of, requires
from liveserver.hub.replica import Replica
from liveserver.protocol.pseudonyms import PseudonymFunction
from liveserver.protocol.redaction import redacted
from liveserver.protocol.server_messages import CandleData, MessageType, OrderData, ProfitData, SymbolData
from liveserver.protocol.session_messages import StatusReport
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.market_view import MarketView
from liveserver.view.older_candles import OlderCandles
from liveserver.view.profit import profit_of
from liveserver.view.projection import Projection
from liveserver.view.topics import describe_unknown_symbol
from schemas.reasons.table import TABLE, Kind, explain

MAX_TIME_S = 1 << 53
"""The largest integer that every JSON parser represents exactly."""

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
Name = Annotated[
    str, QueryParameter(max_length=64, description="the symbol as the page shows it, or the ccxt symbol")
]
Venue = Annotated[
    str, QueryParameter(max_length=64, description="default: the first venue that lists the symbol")
]
Interval = Annotated[
    str,
    QueryParameter(
        max_length=8,
        description="candle interval such as 1m, one of those with candles; default: the shortest",
    ),
]
Start = Annotated[
    int,
    QueryParameter(
        ge=0, le=MAX_TIME_S, description="start of the range, inclusive, in seconds since the epoch"
    ),
]
End = Annotated[
    int,
    QueryParameter(
        ge=0, le=MAX_TIME_S, description="end of the range, exclusive, in seconds since the epoch"
    ),
]
Limit = Annotated[
    int,
    QueryParameter(
        ge=1,
        le=MAX_PAGE_ROWS,
        description="maximum number of rows; exceeded to keep rows of the same second on one page",
    ),
]
ListLimit = Annotated[
    int,
    QueryParameter(ge=1, le=MAX_PAGE_ROWS, description="maximum number of rows, the first ones of the list"),
]
Newest = Annotated[bool, QueryParameter(description="return the last page of the range instead of the first")]


class SnapshotMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a WebSocket sends it."""

    type: MessageType
    data: Any
    """Data according to the type: see `liveserver.protocol.server_messages`."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The messages that a new viewer receives."""

    venue: str
    symbol: str
    interval: str
    messages: list[SnapshotMessage]


class ReasonData(msgspec.Struct, frozen=True, kw_only=True):
    """A code in words, such as a value of `not_quoting`."""

    reason: str
    text: str
    """Explanation, as a sentence."""
    hint: str
    """What ends the condition, or helps; `VENUE` and `SYMBOL` in command lines stand for those of the case."""
    kind: Kind
    """What the code is about."""


def api_routes(
    replica: Replica, authenticator: Authenticator, pseudonym: PseudonymFunction, older: OlderCandles
) -> list[HTTPRouteHandler]:
    """Return the routes of the API."""
    view = _View(replica, authenticator, pseudonym)
    return [*_state_routes(view), *_history_routes(view, older), *_account_routes(view), _reasons_route()]


class _View:
    """Lookup and redaction shared by the routes."""

    def __init__(self, replica: Replica, authenticator: Authenticator, pseudonym: PseudonymFunction) -> None:
        self.replica = replica
        self.authenticator = authenticator
        self.pseudonym = pseudonym

    def redacted_for(self, request: AnyRequest, data: T) -> T:
        """Return data, redacted unless the client may see amounts."""
        if not identity_of(self.authenticator, request).is_redacted:
            return data
        return redacted(data, self.pseudonym)  # type: ignore[no-any-return] # redaction keeps the type

    def interval(self, projection: Projection, market: Market, wanted: str) -> str:
        """Return the wanted interval, the shortest if it is empty.

        Raises: RequestRejected when there are no candles of it.
        """
        known = projection.view(market).intervals
        if wanted and wanted not in known:
            what = f"there are no candles of the interval {wanted[:8]!r} for {market.symbol}"
            raise RequestRejected(
                ErrorResponse(400, "unknown_interval", what, f"intervals: {', '.join(known)}")
            )
        return projection.interval(market, wanted)

    def market(self, symbol: str, venue: str) -> MarketView:
        projection, market = self.find(symbol, venue)
        return projection.view(market)

    def find(self, symbol: str, venue: str) -> tuple[Projection, Market]:
        projection = self.replica.projection
        if not projection:
            hint = "retry when the bus has been read"
            raise RequestRejected(ErrorResponse(503, "not_ready", "no data yet", hint))
        market = projection.find(symbol, venue)
        if market is None:
            what = describe_unknown_symbol(projection, symbol, venue)
            raise RequestRejected(ErrorResponse(404, "unknown_symbol", what, "see /api/symbols"))
        return projection, market


def _state_routes(view: _View) -> list[HTTPRouteHandler]:
    guards = _guards(view)

    @get("/api/status", guards=guards, responses=ERRORS, tags=["state"])
    async def status(request: AnyRequest) -> Response[StatusReport]:
        """Return the state of this server and of the stack. The ETag does not depend on uptime and ages."""
        report = view.redacted_for(request, view.replica.status_report())
        return Response(report, headers={"etag": status_etag(report)})

    @get("/api/symbols", guards=guards, responses=ERRORS, tags=["state"])
    async def symbols(request: AnyRequest, limit: ListLimit = MAX_PAGE_ROWS) -> list[SymbolData]:
        """Return the symbols, traded ones first: the whole list unless `limit` is given."""
        return list(view.redacted_for(request, view.replica.symbols()[:limit]))

    @get("/api/snapshot", guards=guards, responses=ERRORS, tags=["state"])
    async def snapshot(
        request: AnyRequest, symbol: Name = "", venue: Venue = "", interval: Interval = ""
    ) -> Response[Snapshot]:
        """Return the messages that a new viewer of a symbol receives, in their order; at most a second old."""
        projection, market = view.find(symbol, venue)
        channel = Channel(market, view.interval(projection, market, interval))
        is_redacted = identity_of(view.authenticator, request).is_redacted
        body = view.replica.hub.snapshots.document(projection, channel, is_redacted=is_redacted)
        # Encoded once for all clients; Litestar sends bytes as they are.
        return Response(body, media_type=MediaType.JSON)  # type: ignore[arg-type]

    return [status, symbols, snapshot]


def _history_routes(view: _View, older: OlderCandles) -> list[HTTPRouteHandler]:
    guards = _guards(view)

    @get("/api/candles", guards=guards, responses=ERRORS, tags=["history"])
    async def candles(
        request: AnyRequest,
        symbol: Name = "",
        venue: Venue = "",
        interval: Interval = "",
        start: Start = 0,
        end: End = MAX_TIME_S,
        limit: Limit = 500,
        newest: Newest = False,
    ) -> CandlePage:
        """Return candles by opening time; to scroll a chart back, use `end` and `newest`."""
        projection, market = view.find(symbol, venue)
        known_interval = view.interval(projection, market, interval)
        rows: Sequence[CandleData] = projection.view(market).candles(known_interval)
        if older.are_needed(rows, start, end, limit, newest=newest):
            rows = await older.joined(view.replica.bus, market, known_interval, rows)
        return CandlePage(**page(rows, start, end, limit, newest=newest)._asdict())

    @get("/api/fills", guards=guards, responses=ERRORS, tags=["history"])
    async def fills(
        request: AnyRequest,
        symbol: Name = "",
        venue: Venue = "",
        start: Start = 0,
        end: End = MAX_TIME_S,
        limit: Limit = 500,
        newest: Newest = False,
    ) -> TradePage:
        """Return own trades and how the grid booked them, as far back as this server keeps them."""
        market = view.market(symbol, venue)
        rows = page(market.trades(), start, end, limit, newest=newest)
        items = view.redacted_for(request, rows.items)
        return TradePage(**rows._replace(items=items)._asdict(), complete_from=market.fills_complete_from)

    @get("/api/quoting", guards=guards, responses=ERRORS, tags=["history"])
    async def quoting(
        request: AnyRequest,
        symbol: Name = "",
        venue: Venue = "",
        start: Start = 0,
        end: End = MAX_TIME_S,
        limit: Limit = 500,
        newest: Newest = False,
    ) -> QuotingPage:
        """Return when the grid quoted, and why it did not, as far back as this server keeps the changes."""
        rows = page(view.market(symbol, venue).quoting_changes(), start, end, limit, newest=newest)
        return QuotingPage(**rows._replace(items=view.redacted_for(request, rows.items))._asdict())

    return [candles, fills, quoting]


def _account_routes(view: _View) -> list[HTTPRouteHandler]:
    guards = _guards(view)

    @get("/api/orders", guards=guards, responses=ERRORS, tags=["account"])
    async def orders(
        request: AnyRequest, symbol: Name = "", venue: Venue = "", limit: ListLimit = MAX_PAGE_ROWS
    ) -> list[OrderData]:
        """Return the open orders of a symbol: the whole list unless `limit` is given."""
        return list(view.redacted_for(request, view.market(symbol, venue).orders()[:limit]))

    @get("/api/profit", guards=guards, responses=ERRORS, tags=["account"])
    async def profit(request: AnyRequest, symbol: Name = "", venue: Venue = "") -> ProfitData:
        """Return a grid's profit, its components, and the profit of buy and hold for comparison."""
        projection, market = view.find(symbol, venue)
        found = profit_of(projection.view(market), projection.worth(market).total)
        if found is None:
            what = f"no grid trades {market.symbol}"
            raise RequestRejected(ErrorResponse(404, "not_traded", what, "see /api/symbols"))
        return view.redacted_for(request, found)

    return [orders, profit]


def status_etag(report: StatusReport) -> str:
    """Return the weak ETag of a status, without what changes with time alone: the uptime, the ages of heartbeats."""
    parts = tuple(msgspec.structs.replace(part, age_ms=None) for part in report.parts)
    lasting = msgspec.structs.replace(report, uptime=0, parts=parts)
    return f"W/{etag_of(msgspec.json.encode(lasting))}"


def _guards(view: _View) -> list[RouteGuard]:
    return [requires(view.authenticator, Action.WATCH), check_parameters]


def _reasons_route() -> HTTPRouteHandler:
    data = [_reason_data(kind, code) for kind, codes in TABLE.items() for code in codes]

    @get("/api/reasons", guards=[check_parameters], security=[{}], responses=ERRORS, tags=["state"])
    async def reasons() -> list[ReasonData]:
        """Return all codes that the server shows, in words. Of a code in several kinds, `not_quoting` comes first."""
        return data

    return reasons


def _reason_data(kind: Kind, code: str) -> ReasonData:
    text, hint = explain(code, kind=kind)
    return ReasonData(reason=str(code), text=text, hint=hint, kind=kind)
