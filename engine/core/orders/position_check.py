"""Compare the venue's position with the accounts: correct a small difference, trip the breaker on a large one.

A position is compared in the step of a sweep, the periodic query of the venue's open orders, if that step makes no decision
and no order is ended, queried or short of trades. A difference is acted on when two such comparisons in a row find the same
one: position updates are not synchronous with trades. A difference is small if it is below a share of the position and
worth at most `max_correction`; a larger one waits for `reconcile --accept`. A spot balance may include assets that are not
the grid's, so there only a balance below what the grid holds is a difference: it is reported, and closing orders are cut to
the balance. A position held before the grid's first trade and not adopted is foreign, and
excluded.
"""

from decimal import Decimal

from engine.core.decisions import figures
from engine.core.guards.circuit_breaker import trip
from engine.core.orders.corrections import correct, correction_text, forget_unbooked, has_own_position
from engine.core.orders.slots import has_all_trades
from engine.core.step import Draft
from schemas.engine.events import ReconciliationFinding, Severity
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState, SlotOrder
from schemas.units import ZERO, ClientOrderId, Money, Quantity, SignedQuantity
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind

MAX_CORRECTION_RATIO = Decimal("0.05")
"""Exclusive: a difference below this share of the position is corrected."""
DEFAULT_MAX_CORRECTION_ORDERS = Decimal("0.1")
"""`max_correction` by default, as a multiple of `order_amount`."""
POSITION_DIFFERS = "position differs"
"""Start of the circuit breaker's reason after a large difference."""


def on_position(draft: Draft, position: Position) -> None:
    """Compare a position with the accounts, in the step of the sweep that it was read with."""
    state = draft.state
    if obstacle(draft, position):
        return
    if state.instrument.kind is InstrumentKind.SPOT:
        _compare_wallet(draft, position.quantity)
        return
    if not has_own_position(state):
        foreign = position.quantity - state.accounts.position
        if foreign != state.foreign_position:
            draft.touch()
            state.foreign_position = foreign
        return
    gap = gap_of(state, position)
    if gap != state.position_gap:
        draft.touch()
        state.position_gap, state.venue_position = gap, None
    elif gap:
        _act(draft, gap, position.quantity)
    if not gap:
        forget_unbooked(draft)


def obstacle(draft: Draft, position: Position) -> str:
    """Return why a position cannot be compared with the accounts in this step; empty when it can."""
    state = draft.state
    orders = [slot.order for slot in state.slots.values() if slot.order]
    newest = max([state.traded_time, *(each.time for each in state.unbooked_trades)])
    if position.time < newest:
        return "the venue's position is older than the newest trade"
    if not (all(map(has_all_trades, orders)) and all(map(has_all_trades, state.finished))):
        return "trades of an order are missing"
    if draft.decisions or not all(_is_confirmed(each) for each in orders):
        return "orders are unconfirmed"
    return ""


def gap_of(state: GridState, position: Position) -> SignedQuantity:
    """Return the part of the venue's position that is neither in the accounts nor foreign."""
    return position.quantity - (state.accounts.position + state.foreign_position)


def max_correction(settings: GridSettings) -> Money:
    """Return the largest value of a difference that is corrected automatically, in quote."""
    if settings.max_correction is not None:
        return settings.max_correction
    return settings.order_amount * DEFAULT_MAX_CORRECTION_ORDERS


def _compare_wallet(draft: Draft, in_wallet: Quantity) -> None:
    """Note that an account has less than the grid holds, when two sweeps in a row find it.

    Closing orders are cut to what it has.
    """
    state, base = draft.state, draft.state.instrument.base
    gap = min(in_wallet - state.accounts.position, ZERO)
    was_short = state.venue_position is not None
    if not gap:
        if was_short or state.position_gap:
            draft.touch()
            state.position_gap, state.venue_position = ZERO, None
        if was_short:
            draft.alert(
                Severity.LOW, "account_restored", f"the account has {in_wallet} {base}, what the grid holds"
            )
    elif was_short:
        if state.venue_position != in_wallet:
            draft.touch()
            state.position_gap, state.venue_position = gap, in_wallet
    elif gap != state.position_gap:
        draft.touch()
        state.position_gap = gap
    else:
        draft.touch()
        state.venue_position = in_wallet
        text = f"the account has {in_wallet} {base}, {-gap} less than the grid holds"
        _report(draft, f"{text}: closing orders are cut to that")
        draft.alert(Severity.HIGH, "account_short", text)


def _is_confirmed(order: SlotOrder) -> bool:
    is_queried = bool(order.unconfirmed_passes or order.asked_time)
    return order.ended is None and not is_queried


def _act(draft: Draft, gap: SignedQuantity, at_venue: SignedQuantity) -> None:
    state = draft.state
    ours = state.accounts.position
    text = f"position {at_venue} at the venue, {ours} in the grid, {state.foreign_position} foreign"
    found = figures(gap_base=gap, venue_base=at_venue, grid_base=ours, foreign_base=state.foreign_position)
    if _is_small(draft, gap):
        correction = correct(draft, gap, reason=f"a small difference: {text}")
        booked = correction_text(correction, state.instrument.base)
        _report(draft, f"{text}: booked {gap} at {correction.price} as a correction")
        draft.alert(Severity.MEDIUM, "position_corrected", f"{text}: booked {booked}")
        return
    is_new = state.venue_position != at_venue
    if is_new:
        draft.touch()
        state.venue_position = at_venue
    if trip(draft, f"{POSITION_DIFFERS}: {text}", found):
        _report(draft, f"{text}: the circuit breaker is open")
    elif is_new:
        draft.alert(Severity.HIGH, "position_differs", text)


def _is_small(draft: Draft, gap: SignedQuantity) -> bool:
    state = draft.state
    is_minor = abs(gap) < MAX_CORRECTION_RATIO * abs(state.accounts.position)
    if not is_minor or draft.price is None:
        return False
    return abs(gap) * draft.price <= max_correction(state.settings)


def _report(draft: Draft, action: str) -> None:
    draft.reconciled(ReconciliationFinding.POSITION_DIFFERS, ClientOrderId(""), action)
