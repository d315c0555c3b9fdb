"""Key-value buckets with compare-and-set: `instruments`, `symbols`, `portfolios` and `lease`."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from bus.client.connection import Bus
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.client.message import Received
from bus.errors import Conflict, OffsetLost
from bus.streams.provision import provision
from bus.streams.reader import last_per_subject, read
from bus.streams.start import LastPerSubject

OPERATION_HEADER = "KV-Operation"
DELETIONS = frozenset({"DEL", "PURGE"})
TTL_HEADER = "Nats-TTL"


class Entry(NamedTuple):
    """The value of a key, and its revision."""

    key: str
    data: bytes
    revision: int


class Registry:
    """A key-value bucket, compatible with the NATS clients."""

    def __init__(self, bus: Bus, bucket: str) -> None:
        self._bus = bus
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."

    async def get(self, key: str) -> Entry | None:
        """Return the entry of a key, read from the leader; None when it has no value."""
        return self._entry(await self._bus.last(self._stream, self._prefix + key))

    async def create(self, key: str, event: msgspec.Struct, ttl_s: int | None = None) -> int | None:
        """Set the value of a key without value and return the revision; None when it has one.

        `ttl_s` deletes the value after so many seconds; only in the bucket `lease`.
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
        """Replace the value of a key if its revision is `revision`, and return the new revision.

        Raises: Conflict when the revision differs; NoSpace, StreamGone, Ambiguous.
        """
        headers = {TTL_HEADER: f"{ttl_s}s"} if ttl_s is not None else None
        return await self._bus.store(self._prefix + key, event, expect_last=revision, headers=headers)

    async def delete(self, key: str, revision: int) -> int:
        """Delete the value of a key if its revision is `revision`, and return the new revision.

        Raises: Conflict when the revision differs; NoSpace, StreamGone, Ambiguous.
        """
        return await self._bus.store(
            self._prefix + key, _NoValue(), expect_last=revision, headers={OPERATION_HEADER: "DEL"}
        )

    async def entries(self) -> dict[str, Entry]:
        """Return all entries by key."""
        stored = await last_per_subject(self._bus, self._stream, (self._prefix + ">",))
        found = [entry for one in stored if (entry := self._entry(one)) is not None]
        return {entry.key: entry for entry in found}

    async def follow(self, key: str = ">") -> AsyncGenerator[tuple[str, Entry | None], None]:
        """Yield every key, or only `key`, with its entry, then each change, for ever; None for a deleted value.

        When the bucket is recreated, all its entries are yielded again. A key that it then does not have vanished without
        being deleted: nothing is yielded for it, and its last value stays valid. See `bus.streams.bucket_keeper`.
        Raises: StreamGone when the bucket does not exist at first.
        """
        while True:
            try:
                async with aclosing(self._follow(key)) as changes:
                    async for change in changes:
                        yield change
            except OffsetLost:
                # The bucket was deleted and perhaps not recreated yet: create it and read it from the start.
                await provision(self._bus)

    async def vanished(self, keys: Iterable[str]) -> set[str]:
        """Return the keys that have neither a value nor a deletion: the bucket was purged or recreated.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        keys = set(keys)
        if not keys:
            return keys
        body = {"subjects_filter": f"{self._prefix}>"}
        info = await self._bus.api(f"STREAM.INFO.{self._stream}", body, _SubjectsInfo, LOOKUP_TIMEOUT_S)
        return {key for key in keys if self._prefix + key not in info.state.subjects}

    async def _follow(self, wanted: str) -> AsyncGenerator[tuple[str, Entry | None], None]:
        async with aclosing(
            read(self._bus, self._stream, (self._prefix + wanted,), LastPerSubject())
        ) as batches:
            async for batch in batches:
                for message in batch.messages:
                    yield message.subject.removeprefix(self._prefix), self._entry(message)

    def _entry(self, stored: Received | None) -> Entry | None:
        if stored is None or stored.headers.get(OPERATION_HEADER) in DELETIONS:
            return None
        return Entry(stored.subject.removeprefix(self._prefix), stored.data, stored.sequence)


class _Subjects(msgspec.Struct, frozen=True):
    subjects: dict[str, int] = {}


class _SubjectsInfo(msgspec.Struct, frozen=True):
    state: _Subjects = _Subjects()


class _NoValue(msgspec.Struct, frozen=True):
    pass
