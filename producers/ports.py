"""Ports of a venue, which every connector implements, and their errors.

VenueError
├── RequestRejected     the venue's response, definite: nothing was placed or canceled
├── OrderUnknown        the venue's response, definite: no such order (cancel and query)
├── OutcomeUnknown      the network's fault: the request may or may not have arrived; query by client id
├── Overloaded          the venue's fault: nothing was done; retry after `retry_after_s`
└── VenueUnreachable    the network's fault: nothing was sent; retry
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from schemas.units import ClientOrderId, DurationNs, Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrder, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker
from schemas.venue.orders import Funding, OrderReport, PlaceOrder, RejectReason, Trade

MarketEvent = Ticker | PublicTrade | Candle | FeedChanged | ClockRead
AccountEvent = OrderReport | Trade | Funding | Balance | Position


class VenueError(Exception):
    """A request to the venue failed, or its outcome is unknown."""


class RequestRejected(VenueError):
    """The venue rejected the request, with a reason."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OrderUnknown(VenueError):
    """The venue has no such order."""


class OutcomeUnknown(VenueError):
    """The request may have arrived: query the order to find out."""


class Overloaded(VenueError):
    """The venue is rate limiting; the request was not carried out."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class VenueUnreachable(VenueError):
    """There is no connection: the request was not sent."""


class MarketUpdate(NamedTuple):
    """Market events of one moment, in order."""

    events: tuple[MarketEvent, ...]
    account_sequence: int
    """The number of the last account event before this update; 0 at venues that do not number them."""
    is_last: bool = False
    """A recording ends with this update."""


class AccountUpdate(NamedTuple):
    """One account event with its number in the venue's order, growing by one.

    An update with `is_lost` reports the loss of the connection, once. After the reconnect follows one with an `event` of
    None: events in between were missed, and a sweep has to find them.
    """

    sequence: int
    event: AccountEvent | None
    is_lost: bool = False
    """The connection is lost; `sequence` is that of the previous update."""


class Clock(Protocol):
    """The venue's clock."""

    async def clock(self) -> ClockRead: ...


class Venue(Clock, Protocol):
    """A venue whose signs of life can be watched."""

    on_received: Callable[[], None]
    """Called for each frame and each answer of the venue. Set by the process that watches the connection."""

    @property
    def url(self) -> str:
        """Its address, without secrets."""
        ...


class MarketSource(Clock, Protocol):
    """The public side of a venue."""

    on_undecodable: Callable[[], None]
    """Called for each market event that cannot be decoded, and is dropped. Set by the publisher, which counts them."""

    async def instruments(self) -> list[Instrument]: ...

    async def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle]:
        """Return the newest candles, oldest first; the last one may be forming."""
        ...

    def market(self, symbols: Sequence[Symbol]) -> AsyncIterator[MarketUpdate]:
        """Yield market updates, for ever or until a recording ends.

        Reconnects by itself; loss and return of the connection are FeedChanged events.
        """
        ...


class PacedSource(MarketSource, Protocol):
    """A market that advances only on request."""

    async def proceed(self) -> None:
        """Release the next update."""
        ...

    async def account_sequence(self) -> int:
        """Return the number of the last account event."""
        ...


class AccountSource(Clock, Protocol):
    """The private side of a venue, read only."""

    def account(self) -> AsyncIterator[AccountUpdate]:
        """Yield account updates, for ever. Reconnects by itself; each loss and reconnect is an update."""
        ...

    async def open_orders(self, symbol: Symbol) -> list[OpenOrder]: ...

    async def trades_since(self, symbol: Symbol, since: TimeNs) -> list[Trade]:
        """Return all own trades with a time of `since` or later, by the venue's clock, oldest first.

        0 means all that the venue still lists. Trades with equal times are complete and in any order.
        """
        ...

    async def funding_since(self, symbol: Symbol, since: TimeNs) -> list[Funding]:
        """Return all funding payments with a time of `since` or later, like `trades_since`."""
        ...

    async def positions(self) -> list[Position]: ...

    async def balances(self) -> list[Balance]: ...


@runtime_checkable
class DeadManSwitch(Protocol):
    """A venue with a cancel-all timer; on some venues it also cancels orders of other clients of the account."""

    async def cancel_all_after(self, symbol: Symbol, seconds: float) -> None:
        """Restart the timer: all orders of a symbol are canceled in `seconds` without another call; 0 stops it.

        Raises: OutcomeUnknown, Overloaded or VenueUnreachable.
        """
        ...


class OrderEntry(Protocol):
    """Order entry at a venue.

    Every method may raise OutcomeUnknown, Overloaded or VenueUnreachable.
    """

    @property
    def venue(self) -> VenueId: ...

    async def place(self, symbol: Symbol, order: PlaceOrder, timestamp: TimeNs) -> OrderReport:
        """Place an order and return its acceptance; the report does not include fills.

        `timestamp` is the wall-clock time, in nanoseconds, from which the venue counts the receive window: it rejects the
        request as TOO_LATE when the window has passed on arrival.
        Raises: RequestRejected.
        """
        ...

    async def cancel(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel an order and return its final report.

        Raises: OrderUnknown when it is not open there, RequestRejected.
        """
        ...

    async def query(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Return the present report of an order, open or ended.

        Raises: OrderUnknown.
        """
        ...

    @property
    def receive_window(self) -> DurationNs:
        """Nanoseconds after its timestamp during which a request may be carried out; later, OrderUnknown is final."""
        ...
