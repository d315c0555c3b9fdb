"""Base of the actors that keep their state in a journal: claim, durable inputs, republishing.

    read the last step  ->  claim the next epoch (fences earlier actors)  ->  republish  ->  commit steps

A failed commit ends the actor. Recovery is always the same: the next actor reads the last step and claims the journal.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from bus import (
    Bus,
    FromSequence,
    Journal,
    Logger,
    OffsetLost,
    Received,
    decode_or_log,
    log_undecodable,
    newest,
    read,
    read_durable,
)
from schemas.codec import UndecodableError
from schemas.engine.journal import Step, StreamOffset
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.subjects import Stream

S = TypeVar("S", Step, PortfolioStep)

PutDurable = Callable[[Stream, StreamOffset, Received], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ClaimedJournal(Generic[S]):
    """A journal claimed for a new actor, and the state in which the previous actor left it."""

    journal: Journal
    last: S | None
    """The last step of the previous actor; None for the first actor of the journal."""
    last_sequence: int
    """The JOURNAL sequence of `last`, 0 without one."""
    epoch: int
    offsets: dict[str, StreamOffset]
    """By input stream: the offset after which the actor continues."""

    @property
    def published_through(self) -> int:
        """The JOURNAL sequence of the last step that is known to be published."""
        return 0 if self.last is None else self.last.published_through


async def claim_journal(
    bus: Bus,
    subject: str,
    kind: type[S],
    *,
    inputs: Sequence[Stream],
    outputs: Sequence[str],
    log: Logger,
) -> ClaimedJournal[S]:
    """Claim a journal by committing its last step again, under the next epoch and without its `outputs` fields.

    A journal without steps is not claimed: its first step fences. Its actor starts at the ends of the `inputs` streams.
    Raises: Fenced when another actor wrote meanwhile; Ambiguous, NoSpace or StreamGone when the commit failed; FormatTooNew
    when the journal needs a newer program.
    """
    journal = await Journal.open(bus, Stream.JOURNAL, subject)
    found = await newest(bus, Stream.JOURNAL, subject, kind, journal.last)
    if found is None:
        ends: dict[str, StreamOffset] = {stream: await _end_of(bus, stream) for stream in inputs}
        return ClaimedJournal(journal, None, 0, 1, ends)
    last = found.event
    epoch = last.epoch + 1
    await journal.commit(msgspec.structs.replace(last, epoch=epoch, **dict.fromkeys(outputs, ())))
    log.info("claimed", step=last.step, epoch=epoch)
    return ClaimedJournal(journal, last, found.stored.sequence, epoch, dict(last.offsets))


async def stored_steps(
    bus: Bus, subject: str, kind: type[S], log: Logger, *, after: int, through: int
) -> AsyncGenerator[tuple[S, int], None]:
    """Yield the steps of a journal with their sequences, of the sequences above `after` up to `through`."""
    if through <= after:
        return
    async with aclosing(read(bus, Stream.JOURNAL, (subject,), FromSequence(after + 1))) as batches:
        async for batch in batches:
            for message in batch.messages:
                if message.sequence > through:
                    return
                step = decode_or_log(message, kind, log)
                if step is not None:
                    yield step, message.sequence
            if batch.caught_up or (batch.messages and batch.messages[-1].sequence >= through):
                return


class JournaledActor(Generic[S]):
    """An actor that owns a claimed journal and reads its durable inputs after the offsets of the last committed step."""

    def __init__(self, bus: Bus, claimed: ClaimedJournal[S], log: Logger) -> None:
        self._bus = bus
        self._log = log
        self._journal = claimed.journal
        self._epoch = claimed.epoch
        self._offsets = claimed.offsets

    async def _read_durable(self, stream: Stream, filters: tuple[str, ...], put: PutDurable) -> None:
        """Pass each message after the stored offset to `put`, in order, for ever."""
        while True:
            offset = self._offsets[stream]
            try:
                async with aclosing(read_durable(self._bus, stream, filters, offset)) as batches:
                    async for batch in batches:
                        for message in batch.messages:
                            read_to = StreamOffset(created=offset.created, sequence=message.sequence)
                            await put(stream, read_to, message)
            except OffsetLost as lost:
                self._log.error("offset_lost", stream=stream, detail=str(lost))
                self._offsets[stream] = StreamOffset(
                    created=await self._bus.stream_created(stream), sequence=max(lost.first - 1, 0)
                )

    def _log_undecodable(self, message: Received, error: UndecodableError) -> None:
        log_undecodable(message, error, self._log)


async def _end_of(bus: Bus, stream: Stream) -> StreamOffset:
    return StreamOffset(created=await bus.stream_created(stream), sequence=await bus.last_sequence(stream))
