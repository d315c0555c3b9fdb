"""Account state reported by the venue: of each message only the newest counts."""

from decimal import Decimal

import msgspec

from schemas.units import (
    ClientOrderId,
    Money,
    Price,
    Quantity,
    Side,
    SignedQuantity,
    Symbol,
    TimeNs,
    TradeId,
    VenueId,
)
from schemas.venue.orders import OrderStatus


class Balance(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The balance of one asset: `account.V.balance.ASSET`."""

    venue: VenueId
    asset: str
    total: Money
    free: Money
    margin_balance: Money
    """Total plus unrealised profit of positions margined in this asset; on spot equal to `total`."""
    unrealized_pnl: Money
    time: TimeNs


class Position(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The position in one symbol; on spot the base currency held: `account.V.S.position`."""

    venue: VenueId
    symbol: Symbol
    quantity: SignedQuantity
    entry_price: Price
    mark_price: Price
    unrealized_pnl: Money
    leverage: Decimal
    time: TimeNs
    liquidation_price: Price | None = None


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An open order at the venue, placed by this system or otherwise."""

    client_order_id: ClientOrderId
    venue_order_id: str
    side: Side
    price: Price
    quantity: Quantity
    cumulative_quantity: Quantity
    status: OrderStatus
    reduce_only: bool = False
    time: TimeNs = 0


class OpenOrders(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All open orders of a symbol, fetched by one sweep of the account publisher: `account.V.S.orders`."""

    venue: VenueId
    symbol: Symbol
    orders: tuple[OpenOrder, ...]
    includes: int
    """The sequence of ORDERS at the start of the sweep: the sweep reflects every event of the symbol up to here."""
    trades_through: TradeId | None = None
    """Only in version 1: every own trade up to this one is stored in ORDERS."""
    time: TimeNs
    funding_through: str | None = None
    """Only in version 1: the same for funding payments."""
    complete_through: TimeNs = 0
    """The venue's time before the sweep: every own trade and payment up to here is stored in ORDERS. 0 in version 1."""
    trades_sequence: int = 0
    """The ORDERS sequence of the symbol's last event once the sweep's missing trades were stored."""
    trades_since: TimeNs | None = None
    """Of a sweep that answers a SweepRequest: all trades from here on were stored again, even if they were stored before."""
    answers: tuple[str, ...] = ()
    """The ids of the SweepRequests answered."""


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Request on the core subject `sweep.V`: sweep one symbol and store all its own trades again; not stored itself.

    An empty message on the subject requests a sweep of all symbols, which stores missing trades only.
    """

    venue: VenueId
    symbol: Symbol
    request_id: str
    trades_since: TimeNs
    """The trades from this time on, by the venue's clock, are stored again."""
