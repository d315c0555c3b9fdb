"""Outcomes of operator commands, each with a sentence for the operator."""

from engine.core.arithmetic import quantity_text
from schemas.engine.control import Command, CommandOutcome
from schemas.grid.state import GridState

Answer = tuple[CommandOutcome, str]
"""For example `(UNCHANGED, "already paused")`."""

EXPIRED: Answer = (CommandOutcome.EXPIRED, "received after its expiry, not applied")


def applied_if(is_changed: bool, applied: str, unchanged: str) -> Answer:
    """Return APPLIED with its text when something changed, else UNCHANGED with the other text."""
    return (CommandOutcome.APPLIED, applied) if is_changed else (CommandOutcome.UNCHANGED, unchanged)


def operator_of(command: Command) -> str:
    """Return the operator and, if given, the reason of a command: `alice: exchange maintenance`."""
    return f"{command.operator}: {command.reason}" if command.reason else command.operator


def holding(state: GridState) -> str:
    """Return the position as text: `a position of 0.05 BTC`."""
    return f"a position of {quantity_text(state.accounts.position)} {state.instrument.base}"
