"""What the engine did and found: copies of what its journal committed, for people and other parts."""

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
    """A committed decision."""

    venue: VenueId
    symbol: Symbol
    step: int
    index: int
    decision: Decision
    time: TimeNs


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One own trade as the grid booked it."""

    venue: VenueId
    symbol: Symbol
    trade_id: TradeId
    client_order_id: ClientOrderId
    level: int
    side: Side
    price: Price
    quantity: Quantity
    fee: Money
    fee_asset: str
    opens: bool
    grid_profit: Money
    """What this trade's matched quantity made, net of the fees on both sides; 0 for an opening trade."""
    position: SignedQuantity
    """After it."""
    is_maker: bool
    step: int
    time: TimeNs
    round_trip: Money | None = None
    """What the round trip made that this trade ended, net of fees; None when it ended none."""


class Severity(StrEnum):
    """How much it matters."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class RiskChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A guard stepped in, or stepped back."""

    venue: VenueId
    symbol: Symbol
    severity: Severity
    reason: str
    details: str
    active: bool
    step: int
    time: TimeNs


class ReconciliationFinding(StrEnum):
    """How our books and the venue's differed."""

    MISSING_THERE = "missing_there"
    UNKNOWN_HERE = "unknown_here"
    TRADES_MISSING = "trades_missing"
    POSITION_DIFFERS = "position_differs"
    POSITION_ADOPTED = "position_adopted"
    """What the account held at the first start is the grid's from now on."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A difference that a reconciliation pass found, and what was done."""

    venue: VenueId
    symbol: Symbol
    finding: ReconciliationFinding
    client_order_id: ClientOrderId
    action: str
    step: int
    time: TimeNs


class AlertRaised(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that a person should look at."""

    venue: VenueId
    symbol: Symbol
    severity: Severity
    code: str
    detail: str
    step: int
    time: TimeNs
