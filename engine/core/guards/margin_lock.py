"""Margin lock: after the venue refused an opening order for lack of balance, its side adds no further ones.

What stands stays: the orders nearer to the price were sent first, and the balance paid for them. The lock ends when the free
balance has grown, `margin_lock_duration` after the refusal at the earliest; each refusal in a row doubles that. Where no
balance is received, as in a recording, it ends by time alone, and it always does after `MAX_LOCK_NS`.
"""

from engine.core.decisions import figures, seconds
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.guard_state import MarginLock
from schemas.grid.state import GridState
from schemas.units import SECOND_NS, DurationNs, Side, TimeNs
from schemas.venue.account import Balance

MARGIN_LOCKED = "margin_locked"
MAX_LOCK_NS: DurationNs = 640 * SECOND_NS
"""The longest pause, unless `margin_lock_duration` is longer."""
MAX_DOUBLINGS = 5


def is_locked(state: GridState, side: Side) -> bool:
    """Return whether a side adds no opening orders."""
    lock = state.margin_locks.get(side)
    return lock is not None and lock.is_active


def lock(draft: Draft, side: Side, detail: str) -> None:
    """Lock a side after a refused opening order; a further refusal while it is locked changes nothing."""
    state, known = draft.state, draft.state.margin_locks.get(side)
    if known is not None and known.is_active:
        return
    times = 1 if known is None else known.times + 1
    duration = state.settings.margin_lock_duration
    pause = min(duration * 2 ** min(times - 1, MAX_DOUBLINGS), max(MAX_LOCK_NS, duration))
    is_first = not any(each.is_active for each in state.margin_locks.values())
    draft.touch()
    state.margin_locks = state.margin_locks | {
        side: MarginLock(
            asset=state.instrument.settle, since=draft.time, until=draft.time + pause, times=times
        )
    }
    if is_first:
        draft.risk(Severity.HIGH, MARGIN_LOCKED, detail, figures(locked_for_s=seconds(pause)), active=True)


def note_accepted(draft: Draft, side: Side) -> None:
    """Forget the refusals of a side in a row, because the venue accepted an opening order sent after the lock."""
    known = draft.state.margin_locks.get(side)
    if known is not None and not known.is_active:
        draft.touch()
        del draft.state.margin_locks[side]


def on_balance(draft: Draft, balance: Balance) -> None:
    """Record the free balance while a side is locked, and end the lock when it has grown."""
    for each in draft.state.margin_locks.values():
        if not each.is_active or each.asset != balance.asset:
            continue
        if each.free is None or balance.free < each.free:
            draft.touch()
            each.free = balance.free
        elif balance.free > each.free and draft.time >= each.until:
            _end(draft, each)


def release(draft: Draft) -> None:
    """End the locks whose time is over."""
    for each in draft.state.margin_locks.values():
        if each.is_active and draft.time >= _end_time(draft.state, each):
            _end(draft, each)


def end_times(state: GridState) -> list[TimeNs]:
    """Return the times at which the locks end by themselves."""
    return [_end_time(state, each) for each in state.margin_locks.values() if each.is_active]


def _end_time(state: GridState, known: MarginLock) -> TimeNs:
    if known.free is None:
        return known.until
    return max(known.until, known.since + max(MAX_LOCK_NS, state.settings.margin_lock_duration))


def _end(draft: Draft, known: MarginLock) -> None:
    draft.touch()
    known.is_active = False
    if not any(each.is_active for each in draft.state.margin_locks.values()):
        draft.risk(Severity.LOW, MARGIN_LOCKED, "opening orders are allowed again", active=False)
