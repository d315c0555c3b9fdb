"""The running stack as a scenario sees it: real processes or a simulated world."""

import signal
from typing import Protocol

from bus import Bus


class RunningPart(Protocol):
    """A process of the stack. It is started again when it has ended."""

    def kill(self) -> None:
        """Send SIGKILL."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        ...


class RunningStack(Protocol):
    """A stack of one venue, one gateway and one engine."""

    @property
    def bus(self) -> Bus:
        """The operator's connection."""
        ...

    @property
    def venue_url(self) -> str:
        """The address of the simulated venue, for its administration."""
        ...

    def part(self, name: str) -> RunningPart:
        """Return the process of a part: `engine`, `gateway`, `account`, `market` or `venue`."""
        ...
