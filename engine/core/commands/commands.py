"""What people ask of a grid: applied once, never after its expiry, always answered."""

from typing import assert_never

from engine.core.commands import grid_stops, halt, reconcile, settings
from engine.core.guards import circuit_breaker
from engine.core.step import Draft
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import CommandReceived

Answer = tuple[CommandOutcome, str]


def on_command(draft: Draft, received: CommandReceived) -> bool:
    """Do what a command asks and answer it. Both of its times are a wall clock's, unlike the market's."""
    command = received.command
    if received.received_time > command.expires_time:
        answer: Answer | None = CommandOutcome.EXPIRED, "read after its expiry, not applied"
    elif draft.state.removed:
        answer = CommandOutcome.REFUSED, "it is removed; add it again"
    elif command.name is CommandName.RECONCILE:
        reconcile.ask(draft, received)
        answer = None  # the next sweep's
    else:
        answer = _apply(draft, command)
    if answer is not None:
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
    return True


def _apply(draft: Draft, command: Command) -> Answer:
    who = f"by {command.operator}{f': {command.reason}' if command.reason else ''}"
    match command.name:
        case CommandName.PAUSE:
            answer = _pause(draft)
        case CommandName.RESUME:
            answer = _resume(draft, who)
        case CommandName.STOP:
            answer = halt.stop(draft, who)
        case CommandName.FLATTEN:
            answer = halt.flatten(draft, who)
        case CommandName.REMOVE:
            answer = halt.remove(draft, who, keeps_position=command.keep_position)
        case CommandName.SET:
            answer = settings.change(draft, command.changes)
        case CommandName.TRIP:
            is_new = circuit_breaker.trip(draft, f"by hand: {command.reason}")
            answer = _outcome(is_new, "the circuit breaker is open", "it was open already")
        case CommandName.RESET:
            is_new = circuit_breaker.close(draft, f"by hand: {command.reason}")
            answer = _outcome(is_new, "the circuit breaker is closed", "it was closed already")
        case CommandName.ADD | CommandName.RECONCILE:
            answer = CommandOutcome.REFUSED, "it is traded already: a symbol is added at its venue"
        case _:
            assert_never(command.name)
    return answer


def _outcome(is_new: bool, done: str, unchanged: str) -> Answer:
    return (CommandOutcome.APPLIED, done) if is_new else (CommandOutcome.UNCHANGED, unchanged)


def _pause(draft: Draft) -> Answer:
    is_new = not draft.state.paused
    draft.state.paused = True
    return _outcome(is_new, "opening orders are canceled, closing orders stay", "it was paused already")


def _resume(draft: Draft, who: str) -> Answer:
    state = draft.state
    stop = None if draft.price is None or state.halt is None else grid_stops.reached(state, draft.price)
    if stop is not None:
        return (
            CommandOutcome.REFUSED,
            f"it would stop again at once, by {stop.name}: {stop.details}; set it first",
        )
    was_paused, state.paused = state.paused, False
    is_new = halt.resume(draft, f"resumed {who}") or was_paused
    return _outcome(is_new, "orders are placed again", "it was not paused or stopped")
