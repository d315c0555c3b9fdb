"""A registry: the key-value buckets `instruments`, `symbols` and `lease`, with compare-and-set."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from bus.client.connection import Bus
from bus.client.consumer import LastPerSubject
from bus.client.message import Received
from bus.errors import Conflict, OffsetLost
from bus.streams.provision import provision
from bus.streams.reader import read

OPERATION = "KV-Operation"
DELETED = frozenset({"DEL", "PURGE"})
TTL = "Nats-TTL"


class Entry(NamedTuple):
    """A key's value and its revision."""

    key: str
    data: bytes
    revision: int


class Registry:
    """One bucket."""

    def __init__(self, bus: Bus, bucket: str) -> None:
        self._bus = bus
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."

    async def get(self, key: str) -> Entry | None:
        """Return what a key has, as the leader knows it; None when it has nothing."""
        return self._entry(await self._bus.last(self._stream, self._prefix + key))

    async def create(self, key: str, event: msgspec.Struct, ttl_s: int | None = None) -> int | None:
        """Give a key its first value and return the revision, None when it has a value.

        `ttl_s`: for so many seconds; only in `lease`.
        Raises: NoSpace, StreamGone, Ambiguous.
        """
        last = await self._bus.last(self._stream, self._prefix + key)
        if self._entry(last) is not None:
            return None
        try:
            return await self.update(key, event, last.sequence if last else 0, ttl_s)
        except Conflict:
            return None

    async def update(self, key: str, event: msgspec.Struct, revision: int, ttl_s: int | None = None) -> int:
        """Replace what a key has, if it still is of `revision`; return the new one.

        Raises: Conflict when it is not; NoSpace, StreamGone, Ambiguous.
        """
        headers = {TTL: f"{ttl_s}s"} if ttl_s is not None else None
        return await self._bus.store(self._prefix + key, event, expect_last=revision, headers=headers)

    async def delete(self, key: str, revision: int) -> int:
        """Take a key's value away, if it still is of `revision`."""
        return await self._bus.store(
            self._prefix + key, _Nothing(), expect_last=revision, headers={OPERATION: "DEL"}
        )

    async def entries(self) -> dict[str, Entry]:
        """Return everything that has a value."""
        stored = await self._bus.last_per_subject(self._stream, (self._prefix + ">",))
        found = [entry for one in stored if (entry := self._entry(one)) is not None]
        return {entry.key: entry for entry in found}

    async def follow(self) -> AsyncGenerator[tuple[str, Entry | None], None]:
        """Yield what every key has, then each change, for ever; None for a value taken away.

        When the bucket was made anew all is told again.
        Raises: StreamGone when there is no such bucket at first.
        """
        known: set[str] = set()
        while True:
            try:
                async with aclosing(self._follow(known)) as changes:
                    async for change in changes:
                        yield change
            except OffsetLost:
                # Deleted, and perhaps not made anew yet: the reader starts over on what is there then.
                await provision(self._bus)

    async def _follow(self, known: set[str]) -> AsyncGenerator[tuple[str, Entry | None], None]:
        missing = set(known)
        async with aclosing(
            read(self._bus, self._stream, (self._prefix + ">",), LastPerSubject())
        ) as batches:
            async for batch in batches:
                for message in batch.messages:
                    key = message.subject.removeprefix(self._prefix)
                    known.add(key)
                    missing.discard(key)
                    yield key, self._entry(message)
                if batch.caught_up:
                    for key in missing:
                        known.discard(key)
                        yield key, None
                    missing.clear()

    def _entry(self, stored: Received | None) -> Entry | None:
        if stored is None or stored.headers.get(OPERATION) in DELETED:
            return None
        return Entry(stored.subject.removeprefix(self._prefix), stored.data, stored.sequence)


class _Nothing(msgspec.Struct, frozen=True):
    pass
