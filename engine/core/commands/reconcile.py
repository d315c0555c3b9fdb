"""Reconciliation, periodic or by command. The next sweep answers a command; a dry run changes nothing.

A sweep is the venue's open orders and the position read with them. It arrives periodically and when a command asks for it.
"""

from copy import deepcopy

from engine.core.orders import position_check, reconciliation
from engine.core.step import Draft
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.events import Reconciled, ReconciliationFinding
from schemas.engine.journal import CommandReceived
from schemas.grid.state import GridState, PendingReconciliation
from schemas.venue.account import OpenOrders, Position

MAX_FINDINGS_IN_ANSWER = 10
"""Further findings are only counted; each is published as an event of its own."""


def request(draft: Draft, received: CommandReceived) -> None:
    """Queue a reconcile command for the next sweep."""
    command: Command = received.command
    draft.touch()
    draft.state.asked.append(
        PendingReconciliation(
            command_id=command.command_id,
            operator=command.operator,
            reason=command.reason,
            dry_run=command.dry_run,
            time=received.received_time,
        )
    )


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
    if not is_dry_run(draft.state):
        _compare(draft, found)


def answer(draft: Draft) -> None:
    """Answer the queued commands with the findings of this step's sweep, if there was one."""
    state = draft.state
    if draft.sweep is None:
        return
    dry_run = is_dry_run(state)
    findings = _summary(_dry_run(draft, draft.sweep) if dry_run else draft)
    text = f"dry run, nothing changed: {findings}" if dry_run else findings
    for each in state.asked:
        draft.answer(
            command_id=each.command_id,
            name=CommandName.RECONCILE,
            operator=each.operator,
            reason=each.reason,
            outcome=CommandOutcome.APPLIED,
            detail=text,
            time=each.time,
        )
    state.asked = []


def is_dry_run(state: GridState) -> bool:
    """Return whether the next sweep must change nothing: every queued command is a dry run."""
    return all(each.dry_run for each in state.asked)


def _dry_run(draft: Draft, sweep: OpenOrders) -> Draft:
    trial = Draft(deepcopy(draft.state), draft.step, draft.time, draft.price_time, draft.price)
    _compare(trial, sweep)
    if draft.position is not None:
        _compare(trial, draft.position)
    return trial


def _compare(draft: Draft, found: OpenOrders | Position) -> None:
    if isinstance(found, OpenOrders):
        reconciliation.on_open_orders(draft, found)
    else:
        position_check.on_position(draft, found)


def _summary(draft: Draft) -> str:
    state = draft.state
    notices = [each for each in draft.notices if isinstance(each, Reconciled)]
    parts = [
        f"{each.finding} {each.client_order_id}: {each.action}" for each in notices[:MAX_FINDINGS_IN_ANSWER]
    ]
    if len(notices) > MAX_FINDINGS_IN_ANSWER:
        parts.append(f"and {len(notices) - MAX_FINDINGS_IN_ANSWER} more")
    unconfirmed = sum(slot.order.unconfirmed_passes for slot in state.slots.values() if slot.order)
    unconfirmed += sum(each.unconfirmed_passes for each in state.finished)
    if unconfirmed:
        parts.append(f"not confirmed by this pass: {unconfirmed}; the next pass acts unless it confirms them")
    is_reported = any(each.finding is ReconciliationFinding.POSITION_DIFFERS for each in notices)
    if state.position_gap and not is_reported:
        parts.append(f"the position differs by {state.position_gap}; the next pass acts if it finds the same")
    return "; ".join(parts) or "no differences"
