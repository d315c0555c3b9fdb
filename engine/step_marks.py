"""Marks of the core's rare branches, read from its inputs and steps: the core itself imports nothing that counts."""

from bus.marks import reached
from engine.core.guards.circuit_breaker import CIRCUIT_BREAKER
from engine.core.guards.margin_lock import MARGIN_LOCKED
from engine.core.orders.booked_trades import is_booked
from schemas.engine.events import (
    AlertRaised,
    PositionCorrected,
    Reconciled,
    ReconciliationFinding,
    RiskChanged,
)
from schemas.engine.journal import Notice, Step
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import GridState
from schemas.venue.orders import OrderStatus, Trade

_ALERTS = {
    "resync_ended": "resync_ended",
    "late_trade_booked": "late_trade_booked",
    "late_trade_unknown_order": "late_trade_refused",
    "order_refused": "order_refused",
}
_FINDINGS = {
    ReconciliationFinding.MISSING_THERE: "order_missing_at_venue",
    ReconciliationFinding.UNKNOWN_HERE: "unknown_order_at_venue",
    ReconciliationFinding.TRADES_MISSING: "trades_missing",
    ReconciliationFinding.POSITION_DIFFERS: "position_differs",
}
_BREAKER = {
    BreakerState.OPEN: "breaker_opened",
    BreakerState.HALF_OPEN: "breaker_half_open",
    BreakerState.CLOSED: "breaker_closed",
}


def mark_trade(state: GridState | None, trade: Trade) -> None:
    """Mark an own trade that is repeated or late, before the core applies it to `state`."""
    if state is None:
        return
    orders = (slot.order for slot in state.slots.values() if slot.order is not None)
    order = next((each for each in orders if each.client_order_id == trade.client_order_id), None)
    if is_booked(state, order, trade):
        reached("duplicate_trade_ignored")
    elif order is not None and order.ended in {OrderStatus.CANCELED, OrderStatus.EXPIRED}:
        reached("late_trade_after_cancel")
    elif any(each.client_order_id == trade.client_order_id for each in state.finished):
        reached("trade_of_finished_order")


def mark_step(step: Step, breaker_before: BreakerState | None) -> None:
    """Mark what the notices of a committed step say; `breaker_before` is the breaker's state before the step."""
    for notice in step.notices:
        _mark_notice(notice, step, breaker_before)


def _mark_notice(notice: Notice, step: Step, breaker_before: BreakerState | None) -> None:
    match notice:
        case AlertRaised() if notice.code in _ALERTS:
            reached(_ALERTS[notice.code])
        case Reconciled() if notice.finding in _FINDINGS:
            reached(_FINDINGS[notice.finding])
        case PositionCorrected():
            reached("position_corrected")
        case RiskChanged() if notice.reason == MARGIN_LOCKED and notice.active:
            reached("margin_locked")
        case RiskChanged() if notice.reason == CIRCUIT_BREAKER:
            state = step.state.breaker.state
            is_refused = breaker_before is BreakerState.HALF_OPEN and state is BreakerState.OPEN
            reached("breaker_refused" if is_refused else _BREAKER[state])
        case _:
            pass
