"""How long the engine of one symbol has not been heard."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

FIRST = 10.0
"""Seconds that an engine has for its first beat after the gateway's start."""


class Heartbeat:
    """The beats of one engine, as they are heard."""

    def __init__(
        self, silent_after_s: float, *, first_s: float = FIRST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take an engine for silent after so many seconds; 0 is never."""
        self._silent_after_s = silent_after_s
        self._clock = clock
        self._until = clock() + max(first_s, silent_after_s)
        self._beats = asyncio.Event()

    def beat(self) -> None:
        """Take note that it was heard."""
        self._until = self._clock() + self._silent_after_s
        self._beats.set()

    @property
    def is_silent(self) -> bool:
        return self._silent_after_s > 0 and self._clock() >= self._until

    async def until_silent(self) -> None:
        """Return once it is silent."""
        if not self._silent_after_s:
            await asyncio.get_running_loop().create_future()
        while not self.is_silent:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until - self._clock()):
                    await self.until_heard()

    async def until_heard(self) -> None:
        """Return at the next beat."""
        self._beats.clear()
        await self._beats.wait()
