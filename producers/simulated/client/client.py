"""Client of the simulated venue, over aiohttp: market data, account and order entry."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple, Self, TypeVar

import aiohttp
import msgspec

from bus.runtime import time_ns
from producers.ports import (
    AccountUpdate,
    MarketUpdate,
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    RequestRejected,
    VenueUnreachable,
)
from producers.simulated.client.streams import MarketFeed, frames
from producers.simulated.contracts import (
    ContractSizes,
    event_to_base,
    quantity_to_base,
    quantity_to_contracts,
    to_base,
)
from producers.simulated.matching.conditionals import Conditional, NewConditional
from producers.simulated.wire import (
    MAX_PAGE_ROWS,
    AccountFrame,
    ConditionalRequest,
    EventNumber,
    Marks,
    PlaceRequest,
    RejectionBody,
    ServerTime,
    to_json,
)
from schemas.codec import INVALID_JSON
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrder, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead
from schemas.venue.orders import Funding, OrderReport, PlaceOrder, RejectReason, Trade

CONNECT_TIMEOUT_S = 1.0
REQUEST_TIMEOUT_S = 3.0
RECEIVE_WINDOW: DurationNs = 5 * SECOND_NS
MAX_CONNECTIONS = 64

T = TypeVar("T")


class PageStart(NamedTuple):
    """Where a page of trades or payments starts: after this time and, of rows with this time, after this id."""

    time: TimeNs
    id: str


class SimulatedVenue:
    """Implements the venue port for a simulated venue. Use it as a context manager."""

    def __init__(
        self,
        url: str,
        *,
        venue: VenueId,
        timeout_s: float = REQUEST_TIMEOUT_S,
        receive_window: DurationNs = RECEIVE_WINDOW,
    ) -> None:
        self._url = url.rstrip("/")
        self.on_received: Callable[[], None] = _ignore
        self.on_undecodable: Callable[[], None] = _ignore
        self._venue = venue
        self._timeout_s = timeout_s
        self._receive_window = receive_window
        self._session: aiohttp.ClientSession | None = None
        self._feed: MarketFeed | None = None
        self._sizes: ContractSizes | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    @property
    def venue(self) -> VenueId:
        return self._venue

    @property
    def url(self) -> str:
        return self._url

    @property
    def receive_window(self) -> DurationNs:
        return self._receive_window

    async def instruments(self) -> list[Instrument]:
        return await self._get("instruments", list[Instrument])

    async def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle]:
        return await self._get("candles", list[Candle], symbol=symbol, interval=interval, limit=limit)

    async def clock(self) -> ClockRead:
        read = await self._get("clock", ServerTime)
        return ClockRead(venue=self._venue, time=read.time, received_time=time_ns(), recording=read.recording)

    async def market(self, symbols: Sequence[Symbol]) -> AsyncGenerator[MarketUpdate, None]:
        assert self._session is not None
        feed = MarketFeed(
            self._session, self._url, self._venue, symbols, self.on_received, self.on_undecodable
        )
        async with feed:
            self._feed = feed
            try:
                async for update in feed.updates():
                    yield update
            finally:
                self._feed = None

    async def proceed(self) -> None:
        assert self._feed is not None, "proceed() belongs into the loop over market()"
        await self._feed.proceed()

    async def account_sequence(self) -> int:
        return (await self._get("sequence", EventNumber)).sequence

    async def account(self) -> AsyncGenerator[AccountUpdate, None]:
        assert self._session is not None
        url = f"{self._url}/ws/account"
        reading = frames(self._session, url, AccountFrame, on_frame=self.on_received)
        async with aclosing(reading) as received:
            last_sequence: int | None = None
            sizes: ContractSizes = {}
            async for frame in received:
                if frame is not None:
                    sizes = sizes if frame.event else frame.contract_sizes
                    last_sequence = frame.sequence
                    event = frame.event and event_to_base(frame.event, sizes)
                    yield AccountUpdate(frame.sequence, event)
                elif last_sequence is not None:
                    yield AccountUpdate(last_sequence, None, is_lost=True)
                    last_sequence = None

    async def open_orders(self, symbol: Symbol) -> list[OpenOrder]:
        sizes = await self._contract_sizes()
        orders = await self._get("orders", list[OpenOrder], symbol=symbol)
        return [to_base(each, symbol, sizes) for each in orders]

    async def trades_since(self, symbol: Symbol, since: TimeNs) -> list[Trade]:
        sizes = await self._contract_sizes()
        trades: list[Trade] = []
        after = PageStart(max(since, 0), "0")
        while True:
            page = await self._get("trades", list[Trade], symbol=symbol, since=after.time, after=after.id)
            trades += [to_base(each, symbol, sizes) for each in page]
            if len(page) < MAX_PAGE_ROWS:
                return trades
            after = PageStart(page[-1].time, page[-1].trade_id)

    async def funding_since(self, symbol: Symbol, since: TimeNs) -> list[Funding]:
        sizes = await self._contract_sizes()
        payments: list[Funding] = []
        after = PageStart(max(since, 0), "0")
        while True:
            page = await self._get("fundings", list[Funding], symbol=symbol, since=after.time, after=after.id)
            payments += [to_base(each, symbol, sizes) for each in page]
            if len(page) < MAX_PAGE_ROWS:
                return payments
            after = PageStart(page[-1].time, page[-1].funding_id)

    async def cancel_all_after(self, symbol: Symbol, seconds: float) -> None:
        query: dict[str, str | int] = {"symbol": symbol, "timeout_ms": int(seconds * 1000)}
        await self._request("POST", "cancel_all_after", ServerTime, query)

    async def positions(self) -> list[Position]:
        sizes = await self._contract_sizes()
        return [to_base(each, each.symbol, sizes) for each in await self._get("positions", list[Position])]

    async def balances(self) -> list[Balance]:
        return await self._get("balances", list[Balance])

    async def place(self, symbol: Symbol, order: PlaceOrder, timestamp: TimeNs | None = None) -> OrderReport:
        """Place an order; without a timestamp, that of now is sent."""
        sizes = await self._contract_sizes()
        request = PlaceRequest(
            symbol=symbol,
            side=order.side,
            price=order.price,
            quantity=quantity_to_contracts(order.quantity, symbol, sizes),
            client_order_id=order.client_order_id,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            timestamp=time_ns() if timestamp is None else timestamp,
            receive_window=self._receive_window,
        )
        report = await self._request("POST", "order", OrderReport, body=to_json(request))
        return to_base(report, symbol, sizes)

    async def cancel(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        sizes = await self._contract_sizes()
        report = await self._request("DELETE", "order", OrderReport, self._cancel_of(symbol, client_order_id))
        return to_base(report, symbol, sizes)

    async def query(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        sizes = await self._contract_sizes()
        report = await self._get("order", OrderReport, symbol=symbol, client_order_id=client_order_id)
        return to_base(report, symbol, sizes)

    async def place_conditional(self, new: NewConditional) -> Conditional:
        """Place a conditional order, which reduces a position when the mark price reaches its trigger.

        Raises: RequestRejected, OutcomeUnknown, Overloaded or VenueUnreachable.
        """
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        fields["quantity"] = quantity_to_contracts(new.quantity, new.symbol, await self._contract_sizes())
        request = ConditionalRequest(**fields, timestamp=time_ns(), receive_window=self._receive_window)
        found = await self._request("POST", "conditional", Conditional, body=to_json(request))
        return await self._conditional_in_base(found)

    async def cancel_conditional(self, symbol: Symbol, client_order_id: ClientOrderId) -> Conditional:
        """Cancel a conditional order.

        Raises: OrderUnknown when it is not open, RequestRejected, OutcomeUnknown, Overloaded or VenueUnreachable.
        """
        query = self._cancel_of(symbol, client_order_id)
        found = await self._request("DELETE", "conditional", Conditional, query)
        return await self._conditional_in_base(found)

    async def conditional(self, symbol: Symbol, client_order_id: ClientOrderId) -> Conditional:
        """Return a conditional order, open or ended, with the id of its child order.

        Raises: OrderUnknown, OutcomeUnknown, Overloaded or VenueUnreachable.
        """
        found = await self._get("conditional", Conditional, symbol=symbol, client_order_id=client_order_id)
        return await self._conditional_in_base(found)

    async def conditionals(self, symbol: Symbol) -> list[Conditional]:
        """Return the open conditional orders of a symbol."""
        found = await self._get("conditionals", list[Conditional], symbol=symbol)
        return [await self._conditional_in_base(each) for each in found]

    async def marks(self, symbol: Symbol) -> Marks:
        """Return mark and index price of a symbol, and its next funding."""
        return await self._get("marks", Marks, symbol=symbol)

    def _cancel_of(self, symbol: Symbol, client_order_id: ClientOrderId) -> dict[str, str | int]:
        return {
            "symbol": symbol,
            "client_order_id": client_order_id,
            "timestamp": time_ns(),
            "receive_window": self._receive_window,
        }

    async def _conditional_in_base(self, conditional: Conditional) -> Conditional:
        new = conditional.new
        quantity = quantity_to_base(new.quantity, new.symbol, await self._contract_sizes())
        return msgspec.structs.replace(conditional, new=msgspec.structs.replace(new, quantity=quantity))

    async def _contract_sizes(self) -> ContractSizes:
        if self._sizes is None:
            self._sizes = {each.symbol: each.contract_size for each in await self.instruments()}
        return self._sizes

    async def _get(self, resource: str, kind: type[T], **query: str | int) -> T:
        return await self._request("GET", resource, kind, query)

    async def _request(
        self,
        method: str,
        resource: str,
        kind: type[T],
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
    ) -> T:
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(
            total=self._timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, self._timeout_s)
        )
        url = f"{self._url}/api/{resource}"
        try:
            async with self._session.request(
                method, url, params=query, data=body, timeout=timeout
            ) as response:
                content = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise VenueUnreachable(f"{method} {resource}: {error}") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"{method} {resource}: no response in {self._timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise OutcomeUnknown(f"{method} {resource}: {type(error).__name__} {error}") from error
        if response.status < 500 or "Retry-After" in response.headers:  # others may come from a proxy
            self.on_received()
        if response.status != 200:
            _raise_error(response.status, response.headers, content)
        try:
            return msgspec.json.decode(content, type=kind)
        except INVALID_JSON as error:
            raise OutcomeUnknown(
                f"{method} {resource}: response cannot be decoded: {content[:120]!r}"
            ) from error


def _ignore() -> None:
    pass


def _raise_error(status: int, headers: Mapping[str, str], content: bytes) -> None:
    # 503 may also come from a proxy, or a venue that is shutting down and has carried the request out.
    if status == 429 or (status == 503 and "Retry-After" in headers):
        raise Overloaded(content.decode(errors="replace"), _retry_after(headers.get("Retry-After", "")))
    if status >= 500:
        raise OutcomeUnknown(f"status {status}")
    try:
        rejection = msgspec.json.decode(content, type=RejectionBody)
    except INVALID_JSON:
        rejection = RejectionBody(reason=RejectReason.OTHER, detail=f"status {status}")
    if rejection.reason is RejectReason.NOT_FOUND:
        raise OrderUnknown(rejection.detail)
    raise RequestRejected(rejection.reason, rejection.detail)


def _retry_after(header: str) -> float:
    try:
        return max(float(header), 0.0)
    except ValueError:
        return 1.0
