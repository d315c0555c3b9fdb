"""Events derived from committed steps, for other processes: `engine.V.S.*`."""

from enum import StrEnum

import msgspec

from schemas.grid.view import NotQuoting
from schemas.units import (
    ClientOrderId,
    Figures,
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
    """A sentence for operators."""
    active: bool
    step: int
    time: TimeNs
    figures: Figures = {}
    """The figures behind the change, by name; empty in version 1."""


class QuotingChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The reason why a symbol has no opening orders changed: `engine.V.S.quoting`.

    `awaiting_venue` is recorded only once it has lasted for a second.
    """

    venue: VenueId
    symbol: Symbol
    previous: NotQuoting | None
    """The reason recorded before; None while it was quoting."""
    reason: NotQuoting | None
    """The reason from now on; None when it quotes."""
    detail: str
    """The explanation given by the guard behind the reason; empty without one."""
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
