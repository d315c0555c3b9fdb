"""A reconciliation that somebody asked for: the next sweep answers it, and in a dry run changes nothing."""

from copy import deepcopy

from engine.core.orders import position_check, reconciliation
from engine.core.step import Draft
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.events import Reconciled, ReconciliationFinding
from schemas.engine.journal import CommandReceived
from schemas.grid.state import Asked, GridState
from schemas.venue.account import OpenOrders, Position

TOLD = 10
"""No more findings than this are told in an answer; each is an event of its own."""


def ask(draft: Draft, received: CommandReceived) -> None:
    """Remember that the next sweep has to answer a command."""
    command: Command = received.command
    draft.state.asked.append(
        Asked(
            command_id=command.command_id,
            operator=command.operator,
            reason=command.reason,
            dry_run=command.dry_run,
            time=received.received_time,
        )
    )


def on_sweep(draft: Draft, found: OpenOrders | Position) -> bool:
    """Reconcile with a sweep and the position it came with, and tell whether that changed or said anything.

    In a dry run they are only kept for the answer.
    """
    if isinstance(found, OpenOrders) and draft.state.asked:
        draft.sweep = found
    elif isinstance(found, Position):
        draft.position = found
    if draft.sweep is None:
        return _compare(draft, found)
    if not is_dry(draft.state):
        _compare(draft, found)
    return True


def answer(draft: Draft) -> None:
    """Tell what the sweep of this step found, if it was asked for."""
    state = draft.state
    if draft.sweep is None:
        return
    is_trial = is_dry(state)
    found = _found(_tried(draft, draft.sweep) if is_trial else draft)
    text = f"dry run, nothing changed: {found}" if is_trial else found
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


def is_dry(state: GridState) -> bool:
    """Tell whether the next sweep may change nothing: nobody asked for more than a look."""
    return all(each.dry_run for each in state.asked)


def _tried(draft: Draft, sweep: OpenOrders) -> Draft:
    trial = Draft(deepcopy(draft.state), draft.step, draft.time, draft.price_time, draft.price)
    _compare(trial, sweep)
    if draft.position is not None:
        _compare(trial, draft.position)
    return trial


def _compare(draft: Draft, found: OpenOrders | Position) -> bool:
    if isinstance(found, OpenOrders):
        return reconciliation.on_open_orders(draft, found)
    return position_check.on_position(draft, found)


def _found(draft: Draft) -> str:
    state = draft.state
    notices = [each for each in draft.notices if isinstance(each, Reconciled)]
    told = [f"{each.finding} {each.client_order_id}: {each.action}" for each in notices[:TOLD]]
    if len(notices) > TOLD:
        told.append(f"and {len(notices) - TOLD} more")
    waiting = sum(slot.order.unconfirmed_passes for slot in state.slots.values() if slot.order)
    waiting += sum(each.unconfirmed_passes for each in state.finished)
    if waiting:
        told.append(f"{waiting} not borne out by this pass, acted on if the next does not either")
    is_told = any(each.finding is ReconciliationFinding.POSITION_DIFFERS for each in notices)
    if state.position_gap and not is_told:
        told.append(f"the position differs by {state.position_gap}, acted on if the next pass finds the same")
    return "; ".join(told) or "nothing differs"
