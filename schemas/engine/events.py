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
    is_trial: bool | None = None
    """Whether its level was opened while a circuit breaker was half-open; None in version 2."""
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


class CorrectedSlot(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a correction that was booked into one slot."""

    level: int
    quantity: SignedQuantity


class PositionCorrected(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A difference from the venue's position, booked without a fill. Sums over fills have to include it."""

    venue: VenueId
    symbol: Symbol
    quantity: SignedQuantity
    """The change of the grid's position."""
    price: Price
    """The average price, rounded to a tick; `cost` is exact."""
    cost: Money
    """The sum of quantity times price, with the sign of the quantity, in quote."""
    fee: Money
    """The fees of the explaining trades, in quote; 0 without any."""
    grid_profit: Money
    """Profit of the quantity that it closed, net of the fees of both sides; 0 where it opens."""
    position: SignedQuantity
    """The grid's position after the correction."""
    reason: str
    """The operator's reason, or why it was booked automatically."""
    operator: str
    """Empty when it was booked automatically."""
    slots: tuple[CorrectedSlot, ...]
    """Where it was booked."""
    trade_ids: tuple[TradeId, ...]
    """The trades that it explains, such as a liquidation or a close by hand: they are never booked as fills."""
    step: int
    time: TimeNs


class AlertRaised(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A condition that needs an operator's attention, or its end: `alert.V.S`.

    Any part may raise an alert. Several parts that find the same condition raise the same incident.
    """

    venue: VenueId
    symbol: Symbol
    severity: Severity
    code: str
    detail: str
    step: int
    """The step of the journal from which it follows; 0 when it follows from none."""
    time: TimeNs
    incident: str = ""
    """What happened, once: `engine_silent.sim.BTC-USDT_USDT.engine.1700000000000000000`. Readers ignore repetitions.

    Empty in version 1.
    """
    ended: bool = False
    """Whether the incident is over."""

    @property
    def message_id(self) -> str:
        """The `Nats-Msg-Id`: the same for every part that raises the incident, or ends it."""
        return f"{self.incident}.ended" if self.ended else self.incident


class EngineHeartbeat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine of a symbol is alive: `heartbeat.V.S`, stored in no stream. Empty bodies in version 1."""

    venue: VenueId
    symbol: Symbol
    engine: str
    """The name of the engine process."""
    time: TimeNs
    """Wall-clock time."""
