"""The venue's position against ours: a small difference is corrected in the slots, a large one opens the circuit breaker.

A position is compared with a sweep, when that found nothing to ask for, and acted on when two such passes in a row found
the same difference: a level is not in step with trades, and what is under way explains itself. Perpetuals only, as a spot
balance may hold what is not the grid's; what was there before the grid's first trade, and not adopted, is another's, too.
"""

from decimal import Decimal

from engine.core.guards.circuit_breaker import trip
from engine.core.orders.accounting import book_correction
from engine.core.orders.slots import has_all_trades, slot_at
from engine.core.step import Draft
from schemas.engine.events import ReconciliationFinding
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.units import ZERO, ClientOrderId, SignedQuantity
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind

TOLERANCE = Decimal("0.05")
"""A difference below this share of the position is corrected."""


def on_position(draft: Draft, position: Position) -> bool:
    """Compare a position that a later sweep came with, in the same step, and tell whether that changed or said anything."""
    state = draft.state
    if not _is_comparable(draft, position):
        return False
    if not (state.accounts.opened_trades or state.accounts.closed_trades):
        foreign = position.quantity - state.accounts.position
        if foreign == state.foreign_position:
            return False
        state.foreign_position = foreign
        return True
    ours = state.accounts.position + state.foreign_position
    gap = position.quantity - ours
    if gap != state.position_gap:
        state.position_gap = gap
        return True
    return bool(gap) and _act(draft, gap, position.quantity)


def _is_comparable(draft: Draft, position: Position) -> bool:
    state = draft.state
    orders = [slot.order for slot in state.slots.values() if slot.order]
    return (
        state.instrument.kind is InstrumentKind.LINEAR_PERPETUAL
        and position.time >= state.traded_time
        and not draft.decisions
        and all(_is_settled(each) for each in orders)
        and all(has_all_trades(each) for each in state.finished)
    )


def _is_settled(order: SlotOrder) -> bool:
    is_asked_for = bool(order.unconfirmed_passes or order.asked_time)
    return order.ended is None and has_all_trades(order) and not is_asked_for


def _act(draft: Draft, gap: SignedQuantity, theirs: SignedQuantity) -> bool:
    state = draft.state
    ours = state.accounts.position
    text = f"the venue has {theirs}, the grid {ours}, others {state.foreign_position}"
    if abs(gap) < TOLERANCE * abs(ours) and draft.price is not None:
        _correct(draft, gap)
        state.position_gap = ZERO
        _tell(draft, f"{text}: {gap} booked without a trade at {draft.price}")
        return True
    if not trip(draft, f"position differs: {text}"):
        return False
    _tell(draft, f"{text}: the circuit breaker is open")
    return True


def _correct(draft: Draft, gap: SignedQuantity) -> None:
    for slot in _farthest_first(draft.state, gap):
        part = min(abs(gap), abs(slot.held)).copy_sign(gap)
        book_correction(draft, slot, part)
        gap -= part
        if not gap:
            return
    book_correction(draft, _nearest(draft.state, gap), gap)


def _farthest_first(state: GridState, gap: SignedQuantity) -> list[Slot]:
    holding = [slot for slot in state.slots.values() if slot.held * gap < 0]
    return sorted(holding, key=lambda slot: (-abs(slot.level - state.center), slot.level))


def _nearest(state: GridState, gap: SignedQuantity) -> Slot:
    holding = [slot for slot in state.slots.values() if slot.held * gap > 0]
    near = min(holding, key=lambda slot: (abs(slot.level - state.center), slot.level), default=None)
    return near or slot_at(state, state.center)


def _tell(draft: Draft, action: str) -> None:
    draft.reconciled(ReconciliationFinding.POSITION_DIFFERS, ClientOrderId(""), action)
