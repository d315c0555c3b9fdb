"""The journal of one subject: a commit log with a single writer, fenced by compare-and-set on the sequence.

Each record carries the hash of the record before it on the subject, so that a reader notices a record that was changed or
lost in between. The chain does not show a lost end: the records of the engine and the gateway name each other for that.
"""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import msgspec

from bus.client.connection import Bus
from bus.client.message import Received
from bus.errors import Ambiguous, Conflict, Fenced
from bus.log import get_logger
from bus.marks import reached
from bus.streams.decoding import decode_or_log
from bus.streams.reader import read
from bus.streams.start import FromSequence, FromStart
from schemas.codec import encode
from schemas.formats import record_hash
from schemas.venue.orders import RecordRef

E = TypeVar("E", bound=msgspec.Struct)

MAX_DISTANCE = 1000
"""How many sequences before a record the one before it is searched: other subjects of the stream lie in between."""

_log = get_logger("bus")


class Journal:
    """Appends to a subject while no other writer does. Created by `open`.

    The first commit is a claim: it fences the previous writer, whose next commit raises Fenced.
    """

    def __init__(self, bus: Bus, subject: str, last: Received | None) -> None:
        self._bus = bus
        self._subject = subject
        self._has_failed = False
        self.last = last
        """The last record when the journal was opened."""
        self.sequence = last.sequence if last is not None else 0
        """The stream sequence of the last commit, or of `last`; 0 when there is none."""
        self.record: bytes = last.data if last is not None else b""
        """The last record, encoded; empty when there is none."""

    @classmethod
    async def open(cls, bus: Bus, stream: str, subject: str) -> Self:
        """Return the journal of a subject, with its last record.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        return cls(bus, subject, await bus.last(stream, subject))

    async def commit(self, event: msgspec.Struct, timeout_s: float = 5.0) -> int:
        """Append an event, linked to the last record by `previous_hash`, and return its stream sequence.

        One commit at a time.
        After any error the journal cannot be used: open a new one.
        Raises: Fenced when another writer has committed; NoSpace, StreamGone, Rejected: not stored; Ambiguous: perhaps
        stored.
        """
        assert not self._has_failed, "a journal takes one commit at a time, and none after a failed one"
        self._has_failed = True  # until the commit succeeds
        if "previous_hash" in event.__struct_fields__:
            event = msgspec.structs.replace(
                event, previous_hash=record_hash(self.record) if self.record else ""
            )
        record = encode(event)
        try:
            sequence = await self._bus.store(
                self._subject, event, encoded=record, expect_last=self.sequence, timeout_s=timeout_s
            )
        except Conflict as error:
            has_committed = self.sequence != (self.last.sequence if self.last is not None else 0)
            reached("fenced_after_commit" if has_committed else "fenced_at_claim")
            raise Fenced(f"{self._subject}: {error.description}") from error
        except Ambiguous:
            reached("commit_ambiguous")
            raise
        self.sequence, self.record = sequence, record
        self._has_failed = False
        return sequence


@dataclass(frozen=True, slots=True)
class Newest(Generic[E]):
    """The newest decodable record of a journal, and its stored message."""

    event: E
    stored: Received

    @property
    def ref(self) -> RecordRef:
        """The sequence and the hash of the record."""
        return RecordRef(sequence=self.stored.sequence, hash=record_hash(self.stored.data))


async def newest(
    bus: Bus, stream: str, subject: str, kind: type[E], last: Received | None
) -> Newest[E] | None:
    """Return the newest decodable record of a journal: `last`, or an earlier one when `last` is invalid.

    Raises: StreamGone; FormatTooNew when a record needs a newer program: an earlier one must not take its place.
    """
    if last is None:
        return None
    found = _decoded(last, kind)
    if found is not None:
        return found
    async with aclosing(read(bus, stream, (subject,), FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                if message.sequence <= last.sequence:
                    found = _decoded(message, kind) or found
            if batch.caught_up or (batch.messages and batch.messages[-1].sequence >= last.sequence):
                break
    return found


async def record_before(bus: Bus, stream: str, subject: str, sequence: int) -> Received | None:
    """Return the record before the one at `sequence`; None when it is not stored, or not among the newest before it.

    Raises: StreamGone, OffsetLost.
    """
    first = (await bus.stream_state(stream)).first
    start = FromSequence(max(first, sequence - MAX_DISTANCE, 1))
    found = None
    async with aclosing(read(bus, stream, (subject,), start)) as batches:
        async for batch in batches:
            for message in batch.messages:
                if message.sequence >= sequence:
                    return found
                found = message
            if batch.caught_up:
                break
    return found


def _decoded(stored: Received, kind: type[E]) -> Newest[E] | None:
    event = decode_or_log(stored, kind, _log)
    return None if event is None else Newest(event, stored)
