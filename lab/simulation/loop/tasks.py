"""Tasks and futures whose order in a set does not depend on where they are in memory.

`asyncio.TaskGroup`, `asyncio.wait` and others keep tasks in sets, and iterate over them.
"""

import asyncio
from itertools import count
from typing import Any

_numbers = count(1)


class SimulatedFuture(asyncio.Future[Any]):
    """A future that hashes by when it was first put into a set."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = next(_numbers)
            return self._number


class SimulatedTask(asyncio.Task[Any]):
    """A task that hashes by its creation."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = next(_numbers)
            return self._number
