"""Tenure: what a process asks before it works on a key, and how it hears that it has to end."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol


class Lease:
    """A key, once it was given to us and until `lost` is set."""

    def __init__(self, key: str, others: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self.key = key
        self.given = asyncio.Event()
        self.lost = asyncio.Event()
        self.revision = 0
        self._others = others

    async def is_last(self) -> bool:
        """Tell whether nobody else will go on with the key: this process is ending, and no other one stays.

        To be asked while the work ends. It tells the others that we leave: of two that end together each is the last.
        """
        return not self.lost.is_set() and not await self._others()


Work = Callable[[Lease], Coroutine[Any, Any, object]]


class LeaseProvider(Protocol):
    """Decides which keys this process works on."""

    @property
    def name(self) -> str:
        """The process, as others see it."""

    def held(self, key: str) -> AbstractAsyncContextManager[Lease]:
        """Hold a key as long as the context lasts, once it is ours."""

    async def run_while_held(self, key: str, work: Work) -> None:
        """Wait for a key, work until the work ends or the key is lost, and let go of it."""

    def holder(self, key: str) -> str | None:
        """Return who holds a key."""

    def members(self) -> list[str]:
        """Return who is there."""


class NoLeases:
    """One process that has everything: for lock-step, where nobody takes over."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._keys: set[str] = set()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[Lease]:
        lease = Lease(key, _nobody)
        lease.given.set()
        self._keys.add(key)
        try:
            yield lease
        finally:
            self._keys.discard(key)

    async def run_while_held(self, key: str, work: Work) -> None:
        async with self.held(key) as lease:
            await work(lease)

    def holder(self, key: str) -> str | None:
        return self.name if key in self._keys else None

    def members(self) -> list[str]:
        return [self.name]


def default_name() -> str:
    """Return a name that no other process has: the machine's and the process's."""
    return token(f"{socket.gethostname()}-{os.getpid()}")


def token(name: str) -> str:
    """Return a name as one token of a key."""
    return re.sub("[^A-Za-z0-9_-]", "-", name)


async def _nobody() -> bool:
    return False
