"""Orders and own trades: what we are about to send, what the venue said, and the life cycle as a table."""

from enum import StrEnum

import msgspec

from schemas.units import (
    ClientOrderId,
    Money,
    Price,
    Quantity,
    Ratio,
    Side,
    SignedQuantity,
    Symbol,
    TimeNs,
    TradeId,
    VenueId,
)


class OrderStatus(StrEnum):
    """Where an order is in its life, as the venue sees it."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    """It never reached the venue's book and never will: the gateway made sure of it."""

    @property
    def is_terminal(self) -> bool:
        return not LIFE_CYCLE[self]


LIFE_CYCLE: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.NEW: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
            OrderStatus.REJECTED,
        }
    ),
    OrderStatus.PARTIALLY_FILLED: frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED}),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELED: frozenset(),
    OrderStatus.EXPIRED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.NOT_PLACED: frozenset(),
}
"""Which status may follow which. A status with no successor is terminal."""


class RejectReason(StrEnum):
    """Why an order was refused: ours to act on, whatever the venue's words."""

    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    REDUCE_ONLY = "reduce_only"
    MINIMUM_NOTIONAL = "minimum_notional"
    PRECISION = "precision"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_SYMBOL = "unknown_symbol"
    RATE_LIMITED = "rate_limited"
    TOO_LATE = "too_late"
    """The decision was older than it may be when it is sent, or the request came after its window."""
    NOT_FOUND = "not_found"
    OTHER = "other"
    EXPOSURE_LIMIT = "exposure_limit"
    """The gateway did not send it: with it all symbols together could hold more than they may."""
    ENGINE_SILENT = "engine_silent"
    """The gateway did not send it: it has not heard from the engine for too long."""


class OrderReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the venue said of one order. It may come twice, late, or out of order."""

    venue: VenueId
    symbol: Symbol
    client_order_id: ClientOrderId
    status: OrderStatus
    cumulative_quantity: Quantity
    """Filled so far: a checksum for the trades, never booked itself."""
    time: TimeNs
    """When it became so, by the venue's clock."""
    venue_order_id: str = ""
    side: Side | None = None
    price: Price | None = None
    quantity: Quantity | None = None
    reject_reason: RejectReason | None = None
    detail: str = ""
    """The venue's own words, for people."""


class CancelRejected(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue would not cancel: the order is not open there. What became of it has to be asked."""

    venue: VenueId
    symbol: Symbol
    client_order_id: ClientOrderId
    time: TimeNs
    detail: str = ""


class Trade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of our own trades: the only thing that money is booked from."""

    venue: VenueId
    symbol: Symbol
    trade_id: TradeId
    client_order_id: ClientOrderId
    """Empty when the order was not ours to name (made by hand, a liquidation)."""
    side: Side
    price: Price
    quantity: Quantity
    fee: Money
    """Paid is positive, a rebate negative."""
    fee_asset: str
    is_maker: bool
    time: TimeNs
    venue_order_id: str = ""


class Funding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A funding payment of a perpetual."""

    venue: VenueId
    symbol: Symbol
    funding_id: str
    amount: Money
    """Received is positive, paid negative."""
    rate: Ratio
    position: SignedQuantity
    time: TimeNs


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Put a limit order into the venue's book."""

    client_order_id: ClientOrderId
    side: Side
    price: Price
    quantity: Quantity
    post_only: bool
    reduce_only: bool
    level: int
    """The lattice level of the slot that it belongs to."""
    opens: bool = True
    """It adds to what its slot holds; otherwise it closes."""


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Take an order out of the venue's book."""

    client_order_id: ClientOrderId
    reason: str = ""


class QueryOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ask the venue what became of an order, and for its trades."""

    client_order_id: ClientOrderId
    reason: str = ""


Decision = PlaceOrder | CancelOrder | QueryOrder


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the gateway is about to send for one step; committed before anything is sent."""

    venue: VenueId
    symbol: Symbol
    epoch: int
    """Grows with every gateway that takes over; an older one's intent is refused by the bus."""
    step: int
    step_sequence: int
    """The step's sequence in JOURNAL: the gateway goes on behind it."""
    decisions: tuple[Decision, ...]
    unresolved: tuple[ClientOrderId, ...] = ()
    """Ids of earlier intents whose outcome was not known yet: to be queried after a crash."""
    time: TimeNs = 0


OwnOrderEvent = OrderReport | CancelRejected | Trade | Funding
"""What `order.V.S.*` holds for the engine, in the order of the stream."""
