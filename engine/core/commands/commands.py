"""Operator commands to one grid: apply a command unless it has expired, and answer it in either case.

    pause      cancels opening orders; closing orders and the position stay       until resume
    stop       cancels all orders; the position stays                             until resume
    flatten    cancels all orders and closes the position, then as stop           until resume
    remove     cancels all orders, then removes the grid                          final once no order is live

Repeated commands are not detected here: the bus drops a command sent twice by its message id (within two minutes), and the
actor's journaled offsets make sure that each stored message is applied once.
"""

from typing import assert_never

from engine.core.commands import grid_stops, halt, reconcile, settings
from engine.core.commands.answers import EXPIRED, Answer, applied_if, origin_of
from engine.core.guards import circuit_breaker
from engine.core.step import Draft
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import CommandReceived


def on_command(draft: Draft, received: CommandReceived) -> None:
    """Apply a command and answer it; `reconcile` is answered by the next sweep, a query of the venue's open orders.

    Expiry compares the engine's wall clock at receipt with the sender's, not market time, which may be a recording's.
    """
    command = received.command
    if received.received_time > command.expires_time:
        answer = EXPIRED
    elif draft.state.removed:
        answer = CommandOutcome.REFUSED, "the symbol is removed: `control add` it first"
    elif command.name is CommandName.RECONCILE:
        reconcile.request(draft, received)
        return
    else:
        answer = _apply(draft, command)
    outcome, detail = answer
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
    origin = origin_of(command)
    match command.name:
        case CommandName.PAUSE:
            answer = _pause(draft)
        case CommandName.RESUME:
            answer = _resume(draft, origin)
        case CommandName.STOP:
            answer = halt.stop(draft, origin)
        case CommandName.FLATTEN:
            answer = halt.flatten(draft, origin)
        case CommandName.REMOVE:
            answer = halt.remove(draft, origin, keeps_position=command.keep_position)
        case CommandName.SET:
            answer = settings.change(draft, command.changes)
        case CommandName.TRIP:
            is_tripped = circuit_breaker.trip(draft, origin)
            answer = applied_if(is_tripped, "the circuit breaker is open", "already open")
        case CommandName.RESET:
            is_closed = circuit_breaker.close(draft, origin)
            answer = applied_if(is_closed, "the circuit breaker is closed", "already closed")
        case CommandName.ADD | CommandName.RECONCILE:
            answer = CommandOutcome.REFUSED, "the symbol is already traded: only a new symbol can be added"
        case _:
            assert_never(command.name)
    return answer


def _pause(draft: Draft) -> Answer:
    was_paused, draft.state.paused = draft.state.paused, True
    return applied_if(not was_paused, "opening orders are canceled, closing orders stay", "already paused")


def _resume(draft: Draft, origin: str) -> Answer:
    state = draft.state
    stop = None if draft.price is None or state.halt is None else grid_stops.reached(state, draft.price)
    if stop is not None:
        return (
            CommandOutcome.REFUSED,
            f"{stop.name} would stop it again at once ({stop.details}): change {stop.name} first",
        )
    was_paused, state.paused = state.paused, False
    is_resumed = halt.resume(draft, f"resumed {origin}") or was_paused
    return applied_if(is_resumed, "quoting resumes", "neither paused nor stopped")
