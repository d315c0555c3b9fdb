"""How a venue is reached: the port that every connector implements, and what can go wrong there.

VenueError
├── RequestRefused      the venue's answer, definite: nothing was placed or canceled
├── OrderUnknown        the venue's answer, definite: no such order (cancel and query)
├── OutcomeUnknown      the network's fault: it may or may not have happened; ask by client id
├── Overloaded          the venue's fault: nothing was done; retry after `retry_after_s`
└── VenueUnreachable    the network's fault: nothing was sent; retry
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from schemas.units import ClientOrderId, Symbol, TimeNs, TradeId, VenueId
from schemas.venue.account import Balance, OpenOrder, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker
from schemas.venue.orders import Funding, OrderReport, PlaceOrder, RejectReason, Trade

MarketEvent = Ticker | PublicTrade | Candle | FeedChanged | ClockRead
AccountEvent = OrderReport | Trade | Funding | Balance | Position


class VenueError(Exception):
    """Something between us and the venue."""


class RequestRefused(VenueError):
    """The venue refused, and said why."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OrderUnknown(VenueError):
    """The venue knows no such order."""


class OutcomeUnknown(VenueError):
    """The request may have arrived: only the venue can tell."""


class Overloaded(VenueError):
    """The venue asks us to slow down; the request was not carried out."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class VenueUnreachable(VenueError):
    """No connection: the request was not sent."""


class MarketUpdate(NamedTuple):
    """What the market did at one moment, in order."""

    events: tuple[MarketEvent, ...]
    account_sequence: int
    """The number of the last account event that had happened by then; 0 where a venue has none."""
    is_last: bool = False
    """A recording ended with this update."""


class AccountUpdate(NamedTuple):
    """One account event with its number in the venue's order, growing by one.

    `event` is None when the connection was made anew: what happened meanwhile has to be asked for. Before that, once, an
    update tells that it was lost.
    """

    sequence: int
    event: AccountEvent | None
    is_lost: bool = False
    """There is no connection; `sequence` is that of the update before."""


class Clock(Protocol):
    """The venue's clock."""

    async def clock(self) -> ClockRead: ...


class MarketSource(Clock, Protocol):
    """The public side of a venue."""

    async def instruments(self) -> list[Instrument]: ...

    async def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle]:
        """Return the newest candles, oldest first; the last one may be forming."""
        ...

    def market(self, symbols: Sequence[Symbol]) -> AsyncIterator[MarketUpdate]:
        """Yield what happens, for ever or to a recording's end; a lost connection is made again and told as
        FeedChanged.
        """
        ...


class PacedSource(MarketSource, Protocol):
    """A market that goes on only when it is told to."""

    async def proceed(self) -> None:
        """Let the next update come."""
        ...

    async def account_sequence(self) -> int:
        """Return the number of the account's last event."""
        ...


class AccountSource(Clock, Protocol):
    """The private side of a venue, for reading."""

    def account(self) -> AsyncIterator[AccountUpdate]:
        """Yield what happens, for ever; a lost connection is made again and told as an update without event."""
        ...

    async def open_orders(self, symbol: Symbol) -> list[OpenOrder]: ...

    async def trades_after(self, symbol: Symbol, trade_id: TradeId | None) -> list[Trade]:
        """Return own trades after `trade_id`, oldest first; all of them when it is None."""
        ...

    async def funding_after(self, symbol: Symbol, funding_id: str | None) -> list[Funding]:
        """Return funding payments after `funding_id`, oldest first; all of them when it is None."""
        ...

    async def positions(self) -> list[Position]: ...

    async def balances(self) -> list[Balance]: ...


@runtime_checkable
class DeadManSwitch(Protocol):
    """A venue that cancels by itself when it is not told otherwise; on some it cancels orders of others, too."""

    async def cancel_all_after(self, symbol: Symbol, seconds: float) -> None:
        """Cancel all orders of a symbol unless this is asked again within `seconds`; 0 takes it back.

        Raises: OutcomeUnknown, Overloaded or VenueUnreachable.
        """
        ...


class OrderEntry(Protocol):
    """The private side of a venue, for acting.

    Every method raises OutcomeUnknown, Overloaded or VenueUnreachable as the case may be.
    """

    @property
    def venue(self) -> VenueId: ...

    async def place(self, symbol: Symbol, order: PlaceOrder) -> OrderReport:
        """Place an order; the report says that it was accepted, not what it has filled by now.

        Raises: RequestRefused.
        """
        ...

    async def cancel(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel an order and return its final report.

        Raises: OrderUnknown when it is not open there, RequestRefused.
        """
        ...

    async def query(self, symbol: Symbol, client_order_id: ClientOrderId) -> OrderReport:
        """Return what the venue has of an order, open or ended.

        Raises: OrderUnknown.
        """
        ...

    @property
    def receive_window(self) -> TimeNs:
        """How long after it was sent a request may still be carried out; after it, not found means never."""
        ...
