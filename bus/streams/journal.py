"""The commit log of one subject: one writer, and a newer one shuts the older out."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import msgspec

from bus.client.connection import Bus
from bus.client.consumer import FromStart
from bus.client.message import Received
from bus.errors import Conflict, Fenced
from bus.log import get_logger
from bus.streams.reader import read
from schemas.codec import UndecodableError, decode_as

E = TypeVar("E", bound=msgspec.Struct)

_log = get_logger("bus")


class Journal:
    """Appends to a subject as long as nobody else does. To be had from `open`.

    The first commit has to be a claim: it fences whoever wrote before.
    """

    def __init__(self, bus: Bus, subject: str, last: Received | None) -> None:
        self._bus = bus
        self._subject = subject
        self._is_dead = False
        self.last = last
        """What was there when the journal was opened."""
        self.sequence = last.sequence if last is not None else 0
        """The stream sequence of the last commit, or of `last`; 0 when there was none."""

    @classmethod
    async def open(cls, bus: Bus, stream: str, subject: str) -> Self:
        """Return the journal of a subject, with what was committed last.

        Raises: StreamGone, Refused, Ambiguous.
        """
        return cls(bus, subject, await bus.last(stream, subject))

    async def commit(self, event: msgspec.Struct, timeout_s: float = 5.0) -> int:
        """Append an event and return its stream sequence; one at a time.

        After whatever it raises the journal is of no use any more: open another one.
        Raises: Fenced when somebody else has written; NoSpace, StreamGone, Refused: not stored; Ambiguous: perhaps stored.
        """
        assert not self._is_dead, "a journal is dead after a failed commit, and takes one commit at a time"
        self._is_dead = True
        try:
            sequence = await self._bus.store(
                self._subject, event, expect_last=self.sequence, timeout_s=timeout_s
            )
        except Conflict as error:
            raise Fenced(f"{self._subject}: {error.description}") from error
        self.sequence = sequence
        self._is_dead = False
        return sequence


@dataclass(frozen=True, slots=True)
class Newest(Generic[E]):
    """The newest record that can be read, and how it is stored."""

    event: E
    stored: Received


async def newest(
    bus: Bus, stream: str, subject: str, kind: type[E], last: Received | None
) -> Newest[E] | None:
    """Return the newest record of a log that decodes: `last`, or one before it when somebody wrote nonsense there.

    Raises: StreamGone.
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


def _decoded(stored: Received, kind: type[E]) -> Newest[E] | None:
    try:
        return Newest(decode_as(stored.data, kind), stored)
    except UndecodableError as error:
        _log.error("undecodable", subject=stored.subject, sequence=stored.sequence, detail=error)
        return None
