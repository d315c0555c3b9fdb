"""`reconcile --accept QUANTITY`: take over the venue's position into the books, as the operator has seen it.

The difference is booked in the step of a sweep (query of the venue's open orders), if the position is still the one that
the operator has seen, and nothing in flight may explain the difference. On perpetuals what reduces the account's foreign
position is taken from that first. A spot wallet is not the grid's alone: there the operator states what of it the grid holds
from now on.
"""

from engine.core.arithmetic import quantity_text
from engine.core.commands.answers import EXPIRED, Answer
from engine.core.guards.circuit_breaker import CIRCUIT_BREAKER
from engine.core.orders.corrections import can_price, correct, correction_text, has_own_position
from engine.core.orders.position_check import POSITION_DIFFERS, gap_of, obstacle
from engine.core.step import Draft
from schemas.engine.control import Command, CommandOutcome
from schemas.engine.events import Severity
from schemas.grid.guard_state import BreakerState
from schemas.grid.pending import PendingReconciliation
from schemas.grid.state import GridState
from schemas.units import ZERO, SignedQuantity, TimeNs
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind

MAX_DIGITS = 18
"""Digits of an accepted position on each side of the point."""
MAX_PASSES = 2
"""Sweeps that a command waits for a position read after it. The second one follows such a reading."""


def mistake(state: GridState, command: Command) -> str:
    """Return why a command cannot be queued; empty when it can."""
    if command.accept is None:
        return ""
    if not _is_plain(command.accept):
        return "the accepted position has to be a number of at most 18 digits on each side of the point"
    if not command.reason.strip():
        return "accepting a position needs a reason"
    if state.startup is not None:
        return "the grid has not started: there is nothing to correct"
    if state.instrument.kind is InstrumentKind.SPOT and command.accept < 0:
        return "a spot position cannot be negative"
    return ""


def evaluate(
    draft: Draft, position: Position | None, pending: PendingReconciliation, now: TimeNs
) -> Answer | None:
    """Book the difference and return the answer; None to wait for a newer position. `now` is the time of the sweep."""
    assert pending.accept is not None
    is_last = pending.passes + 1 >= MAX_PASSES
    if now > pending.expires_time:
        return EXPIRED
    if not is_last and (position is None or position.time < pending.asked_time):
        return None
    if position is None:
        return CommandOutcome.REFUSED, "the venue's position is unknown: nothing is booked"
    refusal = _refusal(draft, position, pending.accept)
    if refusal:
        return CommandOutcome.REFUSED, f"{refusal}: nothing is booked"
    return _book(draft, position, pending)


def _is_plain(quantity: SignedQuantity) -> bool:
    """Return whether arithmetic with a quantity from outside is finite and exact."""
    exponent = quantity.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_DIGITS and quantity.adjusted() < MAX_DIGITS


def _refusal(draft: Draft, position: Position, accepted: SignedQuantity) -> str:
    state = draft.state
    at_venue, base = position.quantity, state.instrument.base
    if state.instrument.kind is InstrumentKind.SPOT:
        if accepted > at_venue:
            return f"the account has {at_venue} {base} now, less than {accepted}"
    elif at_venue != accepted:
        return f"the venue's position is {quantity_text(at_venue)} {base} now, not {quantity_text(accepted)}"
    if why := obstacle(draft, position):
        return f"{why}, which may explain the difference; repeat the command later"
    if not can_price(draft, _gap(state, position, accepted)):
        return "there is no price yet"
    return ""


def _gap(state: GridState, position: Position, accepted: SignedQuantity) -> SignedQuantity:
    if state.instrument.kind is InstrumentKind.SPOT:
        return accepted - state.accounts.position
    return gap_of(state, position)


def _book(draft: Draft, position: Position, pending: PendingReconciliation) -> Answer:
    assert pending.accept is not None
    state, base = draft.state, draft.state.instrument.base
    gap = _gap(state, position, pending.accept)
    if not has_own_position(state):
        return CommandOutcome.UNCHANGED, "the grid has not traded: what the account holds is not the grid's"
    if not gap:
        return (
            CommandOutcome.UNCHANGED,
            f"no difference: the books hold {quantity_text(state.accounts.position)} {base}",
        )
    parts = []
    foreign = _foreign_part(state.foreign_position, gap)
    if foreign:
        draft.touch()
        state.foreign_position += foreign
        state.position_gap, state.venue_position = ZERO, None
        parts.append(f"{foreign} {base} of the foreign position, which is {state.foreign_position}")
    if gap != foreign:
        correction = correct(draft, gap - foreign, reason=pending.reason, operator=pending.operator)
        parts.append(f"{correction_text(correction, base)} {state.instrument.quote}")
        parts.append(f"the books hold {quantity_text(correction.position)} {base}")
    if _settle_breaker(draft, pending):
        parts.append("the circuit breaker stays open until its cool-down ends or `reset`")
    verb = "would book" if pending.dry_run else "booked"
    return CommandOutcome.APPLIED, f"{verb} {'; '.join(parts)}"


def _foreign_part(foreign: SignedQuantity, gap: SignedQuantity) -> SignedQuantity:
    """Return the part of a difference that reduces the foreign position."""
    return min(abs(foreign), abs(gap)).copy_sign(gap) if foreign * gap < 0 else ZERO


def _settle_breaker(draft: Draft, pending: PendingReconciliation) -> bool:
    """Return whether the difference had opened the breaker; if so, replace its reason, which no longer holds."""
    breaker = draft.state.breaker
    if breaker.state is not BreakerState.OPEN or not breaker.reason.startswith(POSITION_DIFFERS):
        return False
    breaker.reason = f"the position differed, and was accepted by {pending.operator}: {pending.reason}"
    draft.risk(Severity.MEDIUM, CIRCUIT_BREAKER, f"open: {breaker.reason}", active=True)
    return True
