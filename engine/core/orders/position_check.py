"""Compare the venue's position with the accounts: correct a small difference, trip the breaker on a large one.

A position is compared in the step of a sweep, the periodic query of the venue's open orders, if that step makes no decision
and no order is ended, queried or short of trades. A difference is acted on when two such comparisons in a row find the same
one: position updates are not synchronous with trades. Perpetuals only, because a spot balance may include assets that are
not the grid's. A position held before the grid's first trade and not adopted is foreign, and excluded.
"""

from decimal import Decimal

from engine.core.decisions import figures
from engine.core.guards.circuit_breaker import trip
from engine.core.orders.accounting import book_correction
from engine.core.orders.slots import has_all_trades, slot_at
from engine.core.step import Draft
from schemas.engine.events import ReconciliationFinding
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.units import ZERO, ClientOrderId, SignedQuantity
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind

MAX_CORRECTION_RATIO = Decimal("0.05")
"""Exclusive: a difference below this share of the position is corrected."""


def on_position(draft: Draft, position: Position) -> None:
    """Compare a position with the accounts, in the step of the sweep that it was read with."""
    state = draft.state
    if not _is_comparable(draft, position):
        return
    if not (state.accounts.opened_trades or state.accounts.closed_trades):
        foreign = position.quantity - state.accounts.position
        if foreign != state.foreign_position:
            draft.touch()
            state.foreign_position = foreign
        return
    gap = position.quantity - (state.accounts.position + state.foreign_position)
    if gap != state.position_gap:
        draft.touch()
        state.position_gap = gap
    elif gap:
        _act(draft, gap, position.quantity)


def _is_comparable(draft: Draft, position: Position) -> bool:
    state = draft.state
    orders = [slot.order for slot in state.slots.values() if slot.order]
    return (
        state.instrument.kind is InstrumentKind.LINEAR_PERPETUAL
        and position.time >= state.traded_time
        and not draft.decisions
        and all(_is_unquestioned(each) for each in orders)
        and all(has_all_trades(each) for each in state.finished)
    )


def _is_unquestioned(order: SlotOrder) -> bool:
    is_queried = bool(order.unconfirmed_passes or order.asked_time)
    return order.ended is None and has_all_trades(order) and not is_queried


def _act(draft: Draft, gap: SignedQuantity, at_venue: SignedQuantity) -> None:
    state = draft.state
    ours = state.accounts.position
    text = f"position {at_venue} at the venue, {ours} in the grid, {state.foreign_position} foreign"
    found = figures(gap_base=gap, venue_base=at_venue, grid_base=ours, foreign_base=state.foreign_position)
    if abs(gap) < MAX_CORRECTION_RATIO * abs(ours) and draft.price is not None:
        _correct(draft, gap)
        state.position_gap = ZERO
        _report(draft, f"{text}: booked {gap} at {draft.price} as a correction")
    elif trip(draft, f"position differs: {text}", found):
        _report(draft, f"{text}: the circuit breaker is open")


def _correct(draft: Draft, gap: SignedQuantity) -> None:
    for slot in _farthest_first(draft.state, gap):
        booked = min(abs(gap), abs(slot.held)).copy_sign(gap)
        book_correction(draft, slot, booked)
        gap -= booked
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


def _report(draft: Draft, action: str) -> None:
    draft.reconciled(ReconciliationFinding.POSITION_DIFFERS, ClientOrderId(""), action)
