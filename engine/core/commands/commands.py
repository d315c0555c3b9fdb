"""Operator commands to one grid: apply a command unless it has expired, and answer it in either case.

    pause      cancels opening orders; closing orders and the position stay       until resume
    stop       cancels all orders; the position stays                             until resume
    flatten    cancels all orders and closes the position, then as stop           until resume
    remove     cancels all orders, then removes the grid                          final once no order is live

A command that cancels orders is answered `accepted` first, see `pending`; every other answer is final. Repeated commands are
not detected here: the bus drops a command sent twice by its message id (within two minutes), and the actor's journaled
offsets make sure that each stored message is applied once.
"""

from typing import assert_never

from engine.core import blocking
from engine.core.commands import grid_stops, halt, pending, reconcile, settings
from engine.core.commands.answers import EXPIRED, Answer, applied_if, operator_of
from engine.core.guards import circuit_breaker
from engine.core.step import Draft
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import CommandReceived
from schemas.reasons.table import explain


def on_command(draft: Draft, received: CommandReceived) -> None:
    """Apply a command and answer it; `reconcile` is answered by the next sweep, a query of the venue's open orders.

    Expiry compares the engine's wall clock at receipt with the sender's, not market time, which may be a recording's.
    """
    command, state = received.command, draft.state
    if received.received_time > command.expires_time:
        answer = EXPIRED
    elif state.removed:
        market = f"{state.venue} {state.symbol}"
        answer = (
            CommandOutcome.REFUSED,
            f"the symbol is removed; add it first: ./opensqt control add {market} --settings FILE",
        )
    elif command.name is CommandName.RECONCILE:
        reconcile.request(draft, received)
        return
    else:
        answer = _apply(draft, command)
    outcome, detail = answer
    if outcome is CommandOutcome.APPLIED:
        pending.supersede(draft, command)
        if command.name in pending.CANCELING:
            pending.start(draft, received, detail)
            return
    if outcome is CommandOutcome.UNCHANGED and command.name in pending.CANCELING:
        detail += pending.still_open(state, opening_only=command.name in pending.OPENING_ONLY)
    draft.answer(
        command_id=command.command_id,
        name=command.name,
        operator=command.operator,
        reason=command.reason,
        outcome=outcome,
        detail=detail,
        time=received.received_time,
    )


def _apply(draft: Draft, command: Command) -> Answer:
    by = operator_of(command)
    match command.name:
        case CommandName.PAUSE:
            answer = _pause(draft, by)
        case CommandName.RESUME:
            answer = _resume(draft, by)
        case CommandName.STOP:
            answer = halt.stop(draft, by)
        case CommandName.FLATTEN:
            answer = halt.flatten(draft, by)
        case CommandName.REMOVE:
            answer = halt.remove(draft, by, keeps_position=command.keep_position)
        case CommandName.SET:
            answer = settings.change(draft, command.changes, is_confirmed=command.confirmed)
        case CommandName.TRIP:
            is_tripped = circuit_breaker.trip(draft, "", by=by)
            answer = applied_if(is_tripped, "the circuit breaker is open", "already open")
        case CommandName.RESET:
            is_closed = circuit_breaker.close(draft, "", by=by)
            answer = applied_if(is_closed, "the circuit breaker is closed", "already closed")
        case CommandName.ADD | CommandName.RECONCILE:
            answer = CommandOutcome.REFUSED, "the symbol is already traded: only a new symbol can be added"
        case _:
            assert_never(command.name)
    return answer


def _pause(draft: Draft, by: str) -> Answer:
    state = draft.state
    if state.paused:
        return CommandOutcome.UNCHANGED, "already paused"
    state.paused, state.paused_by = True, by
    return CommandOutcome.APPLIED, ""


def _resume(draft: Draft, by: str) -> Answer:
    state = draft.state
    stop = None
    if draft.stop_price is not None and state.halt is not None:
        stop = grid_stops.reached(state, state.settings, draft.stop_price, draft.time)
    if stop is not None:
        market = f"{state.venue} {state.symbol}"
        text = f"{stop.name} would stop it again at once ({stop.details}); change it first"
        return CommandOutcome.REFUSED, f"{text}: ./opensqt control set {market} --set {stop.name}=off"
    was_paused, state.paused, state.paused_by = state.paused, False, ""
    is_resumed = halt.resume(draft, f"resumed by {by}") or was_paused
    blocker = blocking.blocked_by(state)
    if blocker is None:
        return applied_if(is_resumed, "quoting resumes", "neither paused nor stopped")
    reason = explain(blocker, blocking.detail_of(state, blocker), venue=state.venue, symbol=state.symbol)
    blocked = f"but nothing is opened: {reason.sentence} {reason.remedy}"
    return applied_if(is_resumed, f"resumed, {blocked}", f"neither paused nor stopped, {blocked}")
