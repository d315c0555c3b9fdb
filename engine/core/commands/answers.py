"""Outcomes of operator commands, each with a sentence for the operator."""

from schemas.engine.control import Command, CommandOutcome

Answer = tuple[CommandOutcome, str]
"""For example `(UNCHANGED, "already paused")`."""

EXPIRED: Answer = (CommandOutcome.EXPIRED, "received after its expiry, not applied")


def applied_if(is_changed: bool, applied: str, unchanged: str) -> Answer:
    """Return APPLIED with its text when something changed, else UNCHANGED with the other text."""
    return (CommandOutcome.APPLIED, applied) if is_changed else (CommandOutcome.UNCHANGED, unchanged)


def origin_of(command: Command) -> str:
    """Return the operator and, if given, the reason of a command: `by alice: exchange maintenance`."""
    by = f"by {command.operator}"
    return f"{by}: {command.reason}" if command.reason else by
