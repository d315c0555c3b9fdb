"""What people ask of a grid: applied once, never after its expiry, always answered."""

from typing import assert_never

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
        outcome, detail = _apply(draft.state, command)
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


def _apply(state: GridState, command: Command) -> tuple[CommandOutcome, str]:
    match command.name:
        case CommandName.PAUSE:
            return _set_paused(state, paused=True)
        case CommandName.RESUME:
            return _set_paused(state, paused=False)
        case _:
            assert_never(command.name)


def _set_paused(state: GridState, *, paused: bool) -> tuple[CommandOutcome, str]:
    if state.paused is paused:
        return CommandOutcome.UNCHANGED, f"it {'was' if paused else 'was not'} paused already"
    state.paused = paused
    if paused:
        return CommandOutcome.APPLIED, "opening orders are canceled, closing orders stay"
    return CommandOutcome.APPLIED, "opening orders are placed again"
