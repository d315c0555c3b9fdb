"""Tasks and futures whose order in a set does not depend on where they are in memory.

`asyncio.TaskGroup`, `asyncio.wait` and others keep tasks in sets, and iterate over them. The numbers begin again with each
loop: the second run in a process is the same as the first.
"""

import asyncio
from typing import Any


class SimulatedFuture(asyncio.Future[Any]):
    """A future that hashes by when it was first put into a set."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = next(self.get_loop().object_numbers)  # type: ignore[attr-defined]
            return self._number


class SimulatedTask(asyncio.Task[Any]):
    """A task that hashes by its creation."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = next(self.get_loop().object_numbers)  # type: ignore[attr-defined]
            return self._number
