"""The account as the venue has it. These are levels: only the newest counts."""

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
    """One asset of the account."""

    venue: VenueId
    asset: str
    total: Money
    free: Money
    margin_balance: Money
    """Total and unrealised profit of what is margined in this asset; the total on spot."""
    unrealized_pnl: Money
    time: TimeNs


class Position(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The position in one symbol; on spot the base currency held."""

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
    """An order in the venue's book, ours or another's."""

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
    """All open orders of a symbol, as a sweep found them."""

    venue: VenueId
    symbol: Symbol
    orders: tuple[OpenOrder, ...]
    includes: int
    """Whatever ORDERS says of this symbol up to this sequence had happened before the sweep asked."""
    trades_through: TradeId | None = None
    """Every own trade up to this one is in ORDERS: where the next sweep goes on."""
    time: TimeNs
    funding_through: str | None = None
    """The same of funding payments."""
