"""Orders and own trades: decisions, order intents, execution reports, and the order life cycle."""

from enum import StrEnum

import msgspec

from schemas.units import (
    ClientOrderId,
    Figures,
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
from schemas.venue.decision_reasons import DecisionReason


class OrderStatus(StrEnum):
    """The state of an order at the venue."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    """Reported by the gateway: not sent, not processed, or unknown to the venue after the receive window."""

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
"""The statuses that may follow each status. A status without successors is terminal."""


class RejectReason(StrEnum):
    """Why an order was rejected, normalised over all venues."""

    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    REDUCE_ONLY = "reduce_only"
    MINIMUM_NOTIONAL = "minimum_notional"
    PRECISION = "precision"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_SYMBOL = "unknown_symbol"
    RATE_LIMITED = "rate_limited"
    TOO_LATE = "too_late"
    """The decision was too old, or the request waited too long in the gateway or on its way to the venue."""
    NOT_FOUND = "not_found"
    OTHER = "other"
    EXPOSURE_LIMIT = "exposure_limit"
    """Not sent by the gateway: the exposure of all symbols could exceed its limit."""
    MAX_POSITION = "max_position"
    """Not sent by the gateway: what the grid holds could exceed its `max_position`."""
    ENGINE_SILENT = "engine_silent"
    """Not sent by the gateway: it has received no heartbeat from the engine for too long."""
    RECORDS_LOST = "records_lost"
    """Not sent by the gateway: steps were changed or lost, and the engine has not resynchronized yet."""
    ABOVE_MAXIMUM = "above_maximum"
    """The quantity or notional is above the venue's maximum for one order."""
    PRICE_BAND = "price_band"
    """The price is outside the venue's price band."""
    NOT_TRADING = "not_trading"
    """The symbol is halted or delisted."""
    POSITION_LIMIT = "position_limit"
    """The position would be larger than the venue allows at the account's leverage."""


class ReportSource(StrEnum):
    """How a report or a trade became known."""

    ANSWER = "answer"
    """The venue's answer to a request."""
    STREAM = "stream"
    """The venue's private stream."""
    SWEEP = "sweep"
    """A query of what the private stream missed."""
    GATEWAY = "gateway"
    """The gateway itself: the order was not placed."""


class OrderReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order status reported by the venue, or by the gateway for an order that was not placed.

    Reports may be duplicated, late or out of order.
    """

    venue: VenueId
    symbol: Symbol
    client_order_id: ClientOrderId
    status: OrderStatus
    cumulative_quantity: Quantity
    """Filled so far. Used to check that all trades arrived; never booked itself."""
    time: TimeNs
    """The venue's time of the change; in a report of the gateway, the market time of the last step."""
    venue_order_id: str = ""
    side: Side | None = None
    price: Price | None = None
    quantity: Quantity | None = None
    reject_reason: RejectReason | None = None
    detail: str = ""
    """The message of the venue, or of the gateway."""
    source: ReportSource | None = None
    """None in reports of version 1."""


class CancelRejected(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue rejected a cancel. The order may be open or ended: its status must be queried."""

    venue: VenueId
    symbol: Symbol
    client_order_id: ClientOrderId
    time: TimeNs
    detail: str = ""


class Trade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An own trade. Fills are booked from trades alone, not from order reports."""

    venue: VenueId
    symbol: Symbol
    trade_id: TradeId
    client_order_id: ClientOrderId
    """Empty when the order was not placed by this system (by hand, or a liquidation)."""
    side: Side
    price: Price
    quantity: Quantity
    fee: Money
    """As charged, in `fee_asset`: positive is paid, negative is a rebate."""
    fee_asset: str
    is_maker: bool
    time: TimeNs
    venue_order_id: str = ""
    source: ReportSource | None = None
    """None in trades of version 1."""
    fee_value: Money | None = None
    """The value of the fee in quote currency: the venue's own, or an estimate; None when there is none. See
    `schemas.venue.fees`."""
    is_fee_estimated: bool = False
    """Whether `fee_value` is an estimate: the fee at the price of its coin when the trade was made."""


class Funding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A funding payment of a perpetual."""

    venue: VenueId
    symbol: Symbol
    funding_id: str
    amount: Money
    """Positive is received, negative is paid."""
    rate: Ratio
    position: SignedQuantity
    time: TimeNs


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Place a limit order."""

    client_order_id: ClientOrderId
    side: Side
    price: Price
    quantity: Quantity
    post_only: bool
    reduce_only: bool
    level: int
    """The price level of its slot."""
    opens: bool = True
    """Whether the order increases the position of its slot; otherwise it closes it."""
    reason_code: DecisionReason | None = None
    """Why it is placed; None in version 1."""
    figures: Figures = {}
    """The figures behind the reason."""


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Cancel an order."""

    client_order_id: ClientOrderId
    reason: str = ""
    """`reason_code` in words."""
    reason_code: DecisionReason | None = None
    """Why it is canceled; None in version 1."""
    figures: Figures = {}
    """The figures behind the reason."""


class QueryOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Query an order's status and trades at the venue."""

    client_order_id: ClientOrderId
    reason: str = ""
    """`reason_code` in words."""
    reason_code: DecisionReason | None = None
    """Why it is queried; None in version 1."""
    figures: Figures = {}
    """The figures behind the reason."""


Decision = PlaceOrder | CancelOrder | QueryOrder


class RecordRef(msgspec.Struct, frozen=True, kw_only=True):
    """A stored record: its stream sequence and its hash, see `schemas.formats.record_hash`."""

    sequence: int
    hash: str


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The decisions of one step that the gateway is about to send; stored before anything is sent."""

    venue: VenueId
    symbol: Symbol
    epoch: int
    """Incremented by each gateway that takes over; the bus rejects intents of an older one (fencing)."""
    step: int
    step_sequence: int
    """The step's sequence in JOURNAL. The next gateway queries the orders of later steps committed before it took over."""
    decisions: tuple[Decision, ...]
    unresolved: tuple[ClientOrderId, ...] = ()
    """Orders of earlier intents with unknown outcome, or whose request is not recorded yet: queried after a crash."""
    time: TimeNs = 0
    created_time: TimeNs = 0
    """Wall-clock time before the intent was committed. Its orders are sent with this time as their timestamp, so the venue
    rejects each of them once the receive window after it has passed. A claim keeps the time of the intent before it. 0 in
    intents of version 1."""
    step_hash: str = ""
    """The hash of the step in JOURNAL; empty in a genesis intent and in version 1."""
    previous_hash: str = ""
    """The hash of the record before this one on the subject; empty in the first one and in version 1."""


OwnOrderEvent = OrderReport | CancelRejected | Trade | Funding
"""The events on `order.V.S.*` that the engine applies, in stream order."""
