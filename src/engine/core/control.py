"""What people ask of a grid: applied once, never after its expiry, always answered."""

from typing import assert_never

from engine.core import breaker
from engine.core.step import Draft
from schemas.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.grid import GridState
from schemas.journal import CommandReceived


def on_command(draft: Draft, received: CommandReceived) -> bool:
    """Do what a command asks and answer it. Both of its times are a wall clock's, unlike the market's."""
    command = received.command
    if received.received_time > command.expires_time:
        outcome, detail = CommandOutcome.EXPIRED, "read after its expiry, not applied"
    else:
        outcome, detail = _apply(draft, command)
    draft.notices.append(
        CommandResult(
            venue=command.venue,
            symbol=command.symbol,
            command_id=command.command_id,
            name=command.name,
            outcome=outcome,
            detail=detail,
            operator=command.operator,
            reason=command.reason,
            step=draft.step,
            time=received.received_time,
        )
    )
    return True


def _apply(draft: Draft, command: Command) -> tuple[CommandOutcome, str]:
    match command.name:
        case CommandName.PAUSE:
            return _set_paused(draft.state, paused=True)
        case CommandName.RESUME:
            return _set_paused(draft.state, paused=False)
        case CommandName.TRIP:
            is_new = breaker.trip(draft, f"by hand: {command.reason}")
            return _outcome(is_new, "the circuit breaker is open", "it was open already")
        case CommandName.RESET:
            is_new = breaker.close(draft, f"by hand: {command.reason}")
            return _outcome(is_new, "the circuit breaker is closed", "it was closed already")
        case CommandName.ADD:
            return CommandOutcome.REFUSED, "it is traded already; a symbol is added at its venue"
        case (
            CommandName.STOP
            | CommandName.FLATTEN
            | CommandName.RECONCILE
            | CommandName.REMOVE
            | CommandName.SET
        ):
            return CommandOutcome.REFUSED, "not possible yet"
        case _:
            assert_never(command.name)


def _outcome(is_new: bool, done: str, unchanged: str) -> tuple[CommandOutcome, str]:
    return (CommandOutcome.APPLIED, done) if is_new else (CommandOutcome.UNCHANGED, unchanged)


def _set_paused(state: GridState, *, paused: bool) -> tuple[CommandOutcome, str]:
    if state.paused is paused:
        return CommandOutcome.UNCHANGED, f"it {'was' if paused else 'was not'} paused already"
    state.paused = paused
    if paused:
        return CommandOutcome.APPLIED, "opening orders are canceled, closing orders stay"
    return CommandOutcome.APPLIED, "opening orders are placed again"
