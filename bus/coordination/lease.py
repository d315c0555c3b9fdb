"""Leases: which keys (units of work, such as symbols) this process may work on. See also `lease_group`."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Protocol

from bus.runtime import host_name, process_id


class Timing(NamedTuple):
    """Seconds between two renewals of a member's entry, and without a renewal until it is removed."""

    renew_s: float = 0.5
    expire_s: float = 1.8


DEFAULT_TIMING = Timing()


class Lease:
    """A lease on a key: this process may work on it from when `granted` is set until `lost` is set.

    Leases are advisory: two processes may briefly work on one key. Their commits are exclusive by fencing in the journal.
    """

    def __init__(self, key: str, has_remaining_members: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self.key = key
        self.granted = asyncio.Event()
        self.lost = asyncio.Event()
        self.revision = 0
        """The revision of the claim in the bucket; 0 while there is none."""
        self._has_remaining_members = has_remaining_members

    async def is_last(self) -> bool:
        """Return whether no other process will take over the key, because this one is ending and none stays.

        To be called during shutdown. It announces to the group that this process leaves, so of two processes that end
        together each is the last.
        """
        return not self.lost.is_set() and not await self._has_remaining_members()


Work = Callable[[Lease], Coroutine[Any, Any, object]]


class LeaseProvider(Protocol):
    """Grants leases on keys to this process."""

    @property
    def name(self) -> str:
        """The name of this process in the group."""

    def held(self, key: str) -> AbstractAsyncContextManager[Lease]:
        """Wait for the lease on a key, and release it when the context ends. It may be lost before: see `Lease.lost`."""

    async def run_while_held(self, key: str, work: Work) -> None:
        """Wait for the lease on a key, run `work` until it ends or the lease is lost, and release the lease.

        Raises: the errors of `work`. When the lease is lost, `work` is canceled.
        """

    def holder(self, key: str) -> str | None:
        """Return the name of the process that holds a key; None when there is none, as far as this process knows."""

    def members(self) -> list[str]:
        """Return the names of the processes in the group."""


class NoLeases:
    """A LeaseProvider for a single process, which is granted every key at once. Used in lock-step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._keys: set[str] = set()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[Lease]:
        lease = Lease(key, _no_others)
        lease.granted.set()
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
    """Return a name unique to this process: `HOST-PID`."""
    return token(f"{host_name()}-{process_id()}")


def token(name: str) -> str:
    """Return a name as one token of a bucket key: other characters than `[A-Za-z0-9_-]` become `-`."""
    return re.sub("[^A-Za-z0-9_-]", "-", name)


async def _no_others() -> bool:
    return False
