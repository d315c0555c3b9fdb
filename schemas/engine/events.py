"""Events derived from committed steps, for other processes: `engine.V.S.*`."""

from enum import StrEnum

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
from schemas.venue.orders import Decision


class DecisionMade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A committed decision of a step."""

    venue: VenueId
    symbol: Symbol
    step: int
    index: int
    """The position of the decision in the step."""
    decision: Decision
    time: TimeNs


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An own trade as booked by the grid."""

    venue: VenueId
    symbol: Symbol
    trade_id: TradeId
    client_order_id: ClientOrderId
    level: int
    side: Side
    price: Price
    quantity: Quantity
    fee: Money
    """As charged, in `fee_asset`: positive is paid, negative is a rebate."""
    fee_asset: str
    opens: bool
    grid_profit: Money
    """Profit of the matched quantity, net of the fees of both sides; 0 for an opening trade."""
    position: SignedQuantity
    """The grid's position after the trade."""
    is_maker: bool
    step: int
    time: TimeNs
    round_trip: Money | None = None
    """Profit of the round trip completed by this trade, net of fees; None if it completed none."""
    fee_value: Money | None = None
    """The fee in quote currency as booked; None when the asset has no price here, and in fills of version 1.
    `schemas.venue.fees.fee_in_quote` reads both."""
    is_fee_estimated: bool | None = None
    """Whether `fee_value` is an estimate, rather than the charge, the venue's value or the trade's own price; None without
    a value, and in fills of version 1."""


class Severity(StrEnum):
    """The severity of a risk or an alert."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class RiskChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A guard was activated or cleared."""

    venue: VenueId
    symbol: Symbol
    severity: Severity
    reason: str
    details: str
    active: bool
    step: int
    time: TimeNs


class ReconciliationFinding(StrEnum):
    """A difference between the grid's accounts and the venue."""

    MISSING_THERE = "missing_there"
    """An order that the grid considers open is not open at the venue."""
    UNKNOWN_HERE = "unknown_here"
    """An open order at the venue is unknown to the grid."""
    TRADES_MISSING = "trades_missing"
    """The trades of an order are less than its cumulative quantity."""
    POSITION_DIFFERS = "position_differs"
    """The venue's position is not the booked one."""
    POSITION_ADOPTED = "position_adopted"
    """The account's position at the first start was taken over by the grid."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A difference found by a reconciliation pass, and the action taken."""

    venue: VenueId
    symbol: Symbol
    finding: ReconciliationFinding
    client_order_id: ClientOrderId
    action: str
    step: int
    time: TimeNs


class AlertRaised(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A condition that needs an operator's attention."""

    venue: VenueId
    symbol: Symbol
    severity: Severity
    code: str
    detail: str
    step: int
    time: TimeNs
