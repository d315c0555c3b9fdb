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
    Newest,
    OffsetLost,
    Received,
    decode_or_log,
    end_of,
    log_undecodable,
    newest,
    provision,
    read,
    read_durable,
)
from bus.marks import reached
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Step, StreamOffset
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.subjects import Stream

S = TypeVar("S", Step, PortfolioStep)

PutDurable = Callable[[Stream, StreamOffset, Received], Awaitable[None]]
OnLost = Callable[[Stream, StreamOffset, str], Awaitable[None]]
"""Called with the stream, the offset at which reading continues, and what was lost."""


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
    last_record_sequence: int = 0
    """The JOURNAL sequence of the newest record before the claim, 0 without one."""
    went_back: bool = False
    """Whether the journal no longer had the last step that this process committed: `last` is from its memory."""

    @property
    def step(self) -> int:
        """The number of the last step, 0 without one."""
        return 0 if self.last is None else self.last.step

    @property
    def published_through(self) -> int:
        """The JOURNAL sequence of the last step that is known to be published."""
        if self.last is None:
            return 0
        # In a journal that went back, the sequences in the last step are those of the old one.
        return self.last_sequence if self.went_back else self.last.published_through


async def claim_journal(
    bus: Bus,
    subject: str,
    kind: type[S],
    *,
    inputs: Sequence[Stream],
    outputs: Sequence[str],
    log: Logger,
    prepare: Callable[[S], S] = lambda last: last,
    remembered: bytes = b"",
) -> ClaimedJournal[S]:
    """Claim a journal by committing its last step again, under the next epoch and without its `outputs` fields.

    A journal without steps is not claimed: its first step fences. Its actor starts at the ends of the `inputs` streams.
    `prepare` brings the last step into the present format. `remembered` is the last record that this process committed:
    it is committed again if the journal was purged or went back behind it.
    Raises: Fenced when another actor wrote meanwhile; Ambiguous, NoSpace or StreamGone when the commit failed; FormatTooNew
    when the journal needs a newer program.
    """
    journal = await Journal.open(bus, Stream.JOURNAL, subject)
    found = await newest(bus, Stream.JOURNAL, subject, kind, journal.last)
    own = decode_as(remembered, kind) if remembered else None
    went_back = own is not None and _is_behind(found, own)
    last = own if went_back or found is None else found.event
    before = journal.sequence
    if last is None:
        ends: dict[str, StreamOffset] = {stream: await end_of(bus, stream) for stream in inputs}
        return ClaimedJournal(journal, None, 0, 1, ends, before)
    if own is not None and found is not None and not went_back:
        _mark_outcome(found.event, own)
    last = prepare(last)
    epoch = last.epoch + 1
    await journal.commit(msgspec.structs.replace(last, epoch=epoch, **dict.fromkeys(outputs, ())))
    log.info("claimed", step=last.step, epoch=epoch, went_back=went_back)
    sequence = journal.sequence if found is None or went_back else found.stored.sequence
    return ClaimedJournal(journal, last, sequence, epoch, dict(last.offsets), before, went_back)


def _is_behind(found: Newest[S] | None, own: S) -> bool:
    """Return whether a journal ends before a step that this process committed, and no other actor wrote meanwhile."""
    return found is None or (found.event.epoch, found.event.step) < (own.epoch, own.step)


def _mark_outcome(found: S, own: S) -> None:
    """Mark what became of the commits of which this process has no acknowledgement: `own` is the last that has one."""
    if (found.epoch, found.step) == (own.epoch, own.step):
        reached("commit_found_missing")
    elif found.epoch == own.epoch:
        reached("commit_found_stored")


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


async def read_durable_inputs(
    bus: Bus,
    stream: Stream,
    filters: tuple[str, ...],
    offset: StreamOffset,
    *,
    put: PutDurable,
    on_lost: OnLost,
    log: Logger,
) -> None:
    """Pass each message after an offset to `put`, in order, for ever.

    When messages were lost, `on_lost` is called, and reading continues at the end of the stream: never from its start,
    because what was applied before must not be applied again.
    """
    while True:
        try:
            async with aclosing(read_durable(bus, stream, filters, offset)) as batches:
                async for batch in batches:
                    for message in batch.messages:
                        offset = StreamOffset(
                            created=offset.created, sequence=message.sequence, stored_time=message.time_ns
                        )
                        await put(stream, offset, message)
        except OffsetLost as lost:
            reached("durable_offset_lost")
            log.error("offset_lost", stream=stream, detail=str(lost))
            await provision(bus)
            offset = await end_of(bus, stream)
            await on_lost(stream, offset, str(lost))


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

        async def on_lost(stream: Stream, offset: StreamOffset, _: str) -> None:
            self._offsets[stream] = offset

        await read_durable_inputs(
            self._bus, stream, filters, self._offsets[stream], put=put, on_lost=on_lost, log=self._log
        )

    def _log_undecodable(self, message: Received, error: UndecodableError) -> None:
        log_undecodable(message, error, self._log)
