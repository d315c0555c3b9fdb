"""The assignment of a symbol to an engine process, as shown in its /status."""

from enum import StrEnum


class Assignment(StrEnum):
    """The state of a symbol in one engine process."""

    WAITING = "waiting"
    """Held by no process, or by another one."""
    RUNNING = "running here"
    """Held and running in this process."""
    QUARANTINED = "quarantined"
    """Held by this process, but stopped after repeated failures."""
