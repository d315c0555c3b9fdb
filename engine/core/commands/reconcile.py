"""Reconciliation, periodic or by command. The next sweep answers a command; a dry run changes nothing.

A sweep is the venue's open orders and the position read with them. It arrives periodically and when a command asks for it.
A command that accepts a position may wait for one more sweep, see `acceptance`.
"""

from copy import deepcopy

from msgspec.structs import replace

from engine.core.commands import acceptance, pending
from engine.core.commands.answers import Answer
from engine.core.orders import position_check, reconciliation
from engine.core.step import Draft
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.events import Reconciled, ReconciliationFinding
from schemas.engine.journal import CommandReceived
from schemas.grid.pending import PendingReconciliation
from schemas.grid.state import GridState
from schemas.units import SECOND_NS, DurationNs
from schemas.venue.account import OpenOrders, Position

TIMEOUT_NS: DurationNs = 30 * SECOND_NS
"""Market time within which a sweep has to arrive, counted as in `pending`."""
MAX_FINDINGS_IN_ANSWER = 10
"""Further findings are only counted; each is published as an event of its own."""


def request(draft: Draft, received: CommandReceived) -> None:
    """Queue a reconcile command for the next sweep, or refuse it."""
    command: Command = received.command
    asked = PendingReconciliation(
        command_id=command.command_id,
        operator=command.operator,
        reason=command.reason,
        dry_run=command.dry_run,
        time=received.received_time,
        accept=command.accept,
        asked_time=draft.time,
        expires_time=draft.time + command.expires_time - received.received_time,
    )
    mistake = acceptance.mistake(draft.state, command)
    if mistake:
        _answer(draft, asked, (CommandOutcome.REFUSED, mistake))
        return
    draft.touch()
    draft.state.asked.append(asked)
    draft.queued.append(asked.command_id)


def on_sweep(draft: Draft, found: OpenOrders | Position) -> None:
    """Reconcile with a sweep, or with the position read with it; in a dry run only keep it for the answer."""
    if isinstance(found, OpenOrders) and draft.state.asked:
        draft.sweep = found
    elif isinstance(found, Position):
        draft.position = found
    if draft.sweep is None:
        _compare(draft, found)
        return
    draft.touch()
    if is_dry_run(draft.state):
        return
    if isinstance(found, Position):
        _accept(draft, draft.sweep)  # before the comparison, which would act on the difference
    _compare(draft, found)


def answer(draft: Draft) -> None:
    """Answer the queued commands with the findings of this step's sweep, if there was one."""
    state, sweep = draft.state, draft.sweep
    if sweep is None or not state.asked:
        return
    if is_dry_run(state):
        findings = f"dry run, nothing changed: {_summary(_dry_run(draft, sweep))}"
        _accept(_trial(draft, sweep), sweep, answers=draft)
    else:
        _accept(draft, sweep)
        findings = _summary(draft)
    waiting = []
    for each in state.asked:
        if each.accept is None:
            _answer(draft, each, (CommandOutcome.APPLIED, findings))
        else:
            waiting.append(replace(each, passes=each.passes + 1))
    state.asked = waiting


def advance(draft: Draft) -> None:
    """Answer the commands queued in this step as accepted, and those for which no sweep arrived in time."""
    state = draft.state
    if not state.asked:
        return
    waiting = []
    for each in state.asked:
        times_out_at = pending.time_out(draft, each.asked_time, each.times_out_at, TIMEOUT_NS)
        if pending.is_late(draft, times_out_at):
            text = (
                f"no sweep of {state.venue} arrived within {TIMEOUT_NS // SECOND_NS} s: nothing was compared or "
                "booked. Check the account publisher: ./opensqt status"
            )
            _answer(draft, each, (CommandOutcome.INCOMPLETE, text))
            continue
        waiting.append(replace(each, times_out_at=times_out_at))
        if each.command_id in draft.queued:
            text = f"a sweep of {state.venue} is requested: its open orders, trades and position are compared"
            _answer(draft, each, (CommandOutcome.ACCEPTED, text))
    state.asked = waiting


def is_dry_run(state: GridState) -> bool:
    """Return whether the next sweep must change nothing: every queued command is a dry run."""
    return all(each.dry_run for each in state.asked)


def _accept(draft: Draft, sweep: OpenOrders, answers: Draft | None = None) -> None:
    """Answer the commands that accept a position and need not wait for another sweep.

    `draft` is a trial when every command is a dry run; the answers are then added to another draft.
    """
    answers = answers or draft
    waiting = []
    now = max(draft.time, sweep.time)
    for each in answers.state.asked:
        changed = _copy(draft) if each.dry_run else draft
        result = None if each.accept is None else acceptance.evaluate(changed, answers.position, each, now)
        if result is None:
            waiting.append(each)
        else:
            outcome, detail = result
            text = f"dry run, nothing changed: {detail}" if each.dry_run else detail
            _answer(answers, each, (outcome, text))
    answers.state.asked = waiting


def _answer(draft: Draft, asked: PendingReconciliation, answer: Answer) -> None:
    outcome, detail = answer
    draft.answer(
        command_id=asked.command_id,
        name=CommandName.RECONCILE,
        operator=asked.operator,
        reason=asked.reason,
        outcome=outcome,
        detail=detail,
        time=asked.time,
    )


def _dry_run(draft: Draft, sweep: OpenOrders) -> Draft:
    trial = _trial(draft, sweep)
    if draft.position is not None:
        _compare(trial, draft.position)
    return trial


def _trial(draft: Draft, sweep: OpenOrders) -> Draft:
    """Return a copy of the draft to which the sweep, but not yet its position, is applied."""
    trial = _copy(draft)
    _compare(trial, sweep)
    return trial


def _copy(draft: Draft) -> Draft:
    """Return a draft with the same state and decisions, whose changes are discarded."""
    copied = Draft(deepcopy(draft.state), draft.step, draft.time, draft.price_time, draft.price)
    copied.decisions = [*draft.decisions]
    return copied


def _compare(draft: Draft, found: OpenOrders | Position) -> None:
    if isinstance(found, OpenOrders):
        reconciliation.on_open_orders(draft, found)
    else:
        position_check.on_position(draft, found)


def _summary(draft: Draft) -> str:
    state = draft.state
    missing = ReconciliationFinding.MISSING_THERE
    notices = [each for each in draft.notices if isinstance(each, Reconciled) and each.finding is not missing]
    parts = [f"{missing} {each}: queried" for each in draft.missing]
    parts += [f"{each.finding} {each.client_order_id}: {each.action}" for each in notices]
    if len(parts) > MAX_FINDINGS_IN_ANSWER:
        parts[MAX_FINDINGS_IN_ANSWER:] = [f"and {len(parts) - MAX_FINDINGS_IN_ANSWER} more"]
    unconfirmed = sum(slot.order.unconfirmed_passes for slot in state.slots.values() if slot.order)
    unconfirmed += sum(each.unconfirmed_passes for each in state.finished)
    if unconfirmed:
        orders = "1 order differs" if unconfirmed == 1 else f"{unconfirmed} orders differ"
        parts.append(
            f"{orders} from the venue, perhaps on the way; acted on if the next sweep finds the same"
        )
    is_reported = any(each.finding is ReconciliationFinding.POSITION_DIFFERS for each in notices)
    if state.position_gap and not is_reported:
        parts.append(
            f"the position differs by {state.position_gap}; acted on if the next sweep finds the same"
        )
    return "; ".join(parts) or "no differences"
