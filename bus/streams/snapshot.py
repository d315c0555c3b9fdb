"""Read the last message of each subject by direct gets, page by page."""

import asyncio
from collections.abc import Sequence

import msgspec

from bus.client.connection import Bus
from bus.client.direct_get import MAX_PAGE_BYTES, TOO_MANY_SUBJECTS, DirectGets, Page
from bus.client.jetstream import StreamState
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.client.message import Received
from bus.errors import Ambiguous, Rejected

MAX_SUBJECTS = 1000
"""Of one request: the server answers for at most 1024 subjects."""


class Lagging(Exception):
    """The replica that answered has not stored yet what the leader has."""


class Snapshot:
    """The last message of each subject that matches the filters, in stream order.

    Each page has the last messages as of its own time. Those that changed since are among the messages after `up_to`.
    """

    def __init__(self, bus: Bus, gets: DirectGets, stream: str, filters: Sequence[str], batch: int) -> None:
        self._bus = bus
        self._gets = gets
        self._stream = stream
        self._filters = tuple(filters)
        self._batch = batch
        self._next = 0
        self.up_to = 0
        """Messages up to this sequence are in the snapshot, unless a newer one on their subject is."""
        self.is_complete = False

    async def read(self, state: StreamState) -> list[Received]:
        """Return the next page; `state` is the one of the stream's leader before.

        Raises: Lagging when the page has to be requested again; Ambiguous, Rejected.
        """
        try:
            page = await self._gets.get(self._body(self._filters, self._next, self._batch))
        except Rejected as error:
            if error.status != TOO_MANY_SUBJECTS:
                raise
            return await self._read_by_subject(state)
        if page.up_to == 0 and page.is_whole:
            await self._check_empty(state)
            self._end(state.last)
            return []
        if not page.is_whole:
            # Without the end of the reply it is unknown as of which sequence the messages are the last ones.
            raise Ambiguous(f"a reply from {self._stream} has not arrived completely")
        self._note(page.up_to)
        self._advance(page)
        return page.messages

    async def read_leader(self, state: StreamState) -> list[Received]:
        """Return all messages at once, from the leader. Raises: StreamGone, Ambiguous, Rejected."""
        subjects = await subjects_of(self._bus, self._stream, self._filters)
        found = [await self._bus.last(self._stream, each) for each in subjects]
        self._end(state.last)
        return sorted((each for each in found if each), key=lambda each: each.sequence)

    async def _check_empty(self, state: StreamState) -> None:
        """Check that a replica without matching messages does not lag behind the leader."""
        if state.replicas > 1:
            last = await asyncio.gather(*(self._bus.last(self._stream, each) for each in self._filters))
            if any(each is not None and each.sequence <= state.last for each in last):
                raise Lagging

    async def _read_by_subject(self, state: StreamState) -> list[Received]:
        """Return all messages at once, requested by the names of their subjects: there are too many for the filters."""
        subjects = await subjects_of(self._bus, self._stream, self._filters)
        found: list[Received] = []
        for at in range(0, len(subjects), MAX_SUBJECTS):
            some, following = subjects[at : at + MAX_SUBJECTS], self._next
            while True:
                page = await self._gets.get(self._body(some, following))
                if not page.is_whole or (page.up_to == 0 and state.replicas > 1):
                    raise Ambiguous(f"a reply from {self._stream} has not arrived completely")
                found += page.messages
                self._note(page.up_to or state.last)
                if not page.pending or not page.messages:
                    break
                following = page.messages[-1].sequence + 1
        # A subject that was first used after the names were listed is read later.
        self._note(state.last)
        self._end(self.up_to)
        return sorted(found, key=lambda each: each.sequence)

    def _body(self, filters: Sequence[str], following: int, batch: int = 0) -> dict[str, object]:
        body: dict[str, object] = {"multi_last": filters, "max_bytes": MAX_PAGE_BYTES}
        if following:
            body["seq"] = following
        return {**body, "batch": batch} if batch else body

    def _advance(self, page: Page) -> None:
        if page.pending and page.messages:
            self._next = page.messages[-1].sequence + 1
        else:
            self._end(self.up_to)

    def _note(self, up_to: int) -> None:
        self.up_to = min(self.up_to, up_to) if self.up_to else up_to

    def _end(self, up_to: int) -> None:
        self.up_to = min(self.up_to, up_to) if self.up_to else up_to
        self.is_complete = True


async def subjects_of(bus: Bus, stream: str, filters: Sequence[str]) -> list[str]:
    """Return the subjects of all stored messages that match the filters, sorted.

    Raises: StreamGone, Rejected, Ambiguous.
    """
    found: set[str] = set()
    for each in filters:
        offset, total = 0, 1
        while offset < total:
            body = {"subjects_filter": each, "offset": offset}
            info = await bus.api(f"STREAM.INFO.{stream}", body, SubjectsInfo, LOOKUP_TIMEOUT_S)
            found.update(info.state.subjects)
            if not info.state.subjects:
                break
            offset, total = offset + len(info.state.subjects), info.total
    return sorted(found)


class _Subjects(msgspec.Struct, frozen=True):
    subjects: dict[str, int] = {}


class SubjectsInfo(msgspec.Struct, frozen=True):
    """The reply to STREAM.INFO with a filter of subjects: the number of messages on each."""

    state: _Subjects = _Subjects()
    total: int = 0
