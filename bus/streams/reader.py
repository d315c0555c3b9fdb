"""Read streams in order: without gaps or repeats, across reconnects and server restarts, without a consumer.

A reader first reads what the stream has stored, by direct gets, and then takes the messages that the stream republishes.
At any doubt whether one is missing it reads the stream again, from the last message that it has delivered.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress

from bus.backoff import Backoff
from bus.client.connection import Bus
from bus.client.direct_get import MAX_PAGE_BYTES, TOO_MANY_SUBJECTS, DirectGets
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.client.message import Received
from bus.client.subject_filters import SubjectFilters, check_disjoint, covering
from bus.errors import Ambiguous, OffsetLost, Rejected
from bus.marks import reached
from bus.streams import stream_watch
from bus.streams.history import LAG_RETRY_S, UNAVAILABLE, Batch, History, time_text
from bus.streams.read_position import ReadPosition
from bus.streams.snapshot import SubjectsInfo, subjects_of
from bus.streams.start import FromSequence, FromStart, FromTime, LastPerSubject, NewOnly, Start
from bus.streams.tail import Tail
from schemas.engine.journal import StreamOffset

BATCH_SIZE = 256
MAX_LAG_S = 1.0
"""How long a replica may lag behind a republished message before the leader is asked again."""
MAX_SCANNED = 2000
"""How many sequences are read with a filter that covers all filters of the reader, instead of each filter for itself."""


async def read(
    bus: Bus, stream: str, filters: Sequence[str], start: Start, *, batch: int = BATCH_SIZE
) -> AsyncGenerator[Batch, None]:
    """Yield the stored and all future messages on the matching subjects, at most `batch` at a time.

    Leave it with `contextlib.aclosing` when the loop may end early.
    Raises: StreamGone when the stream does not exist at first. OffsetLost when the stream was deleted, recreated, or has
    discarded the next message: call `provision`, reconcile, and read again. Rejected when filters overlap.
    """
    if isinstance(start, FromSequence) and start.sequence <= 1:
        start = FromStart()
    async with aclosing(
        _Reader(bus, filters, start, ReadPosition(stream, start), batch).batches()
    ) as batches:
        async for each in batches:
            yield each


async def read_durable(
    bus: Bus, stream: str, filters: Sequence[str], offset: StreamOffset | None, *, batch: int = BATCH_SIZE
) -> AsyncGenerator[Batch, None]:
    """Yield the messages after an offset, or all messages when it is None; otherwise like `read`.

    Raises: OffsetLost, also when the stream was recreated or restored since the offset was taken; StreamGone.
    """
    start: Start
    if offset is None:
        start = FromStart()
        position = ReadPosition(stream, start)
    else:
        start = FromSequence(offset.sequence + 1)
        position = ReadPosition(stream, start, offset.created, offset.stored_time)
    async with aclosing(_Reader(bus, filters, start, position, batch).batches()) as batches:
        async for each in batches:
            yield each


async def last_per_subject(bus: Bus, stream: str, filters: Sequence[str]) -> list[Received]:
    """Return the last message of each matching subject, in stream order.

    Raises: StreamGone.
    """
    while True:
        with suppress(OffsetLost):  # the stream was recreated meanwhile: read it again
            return await _snapshot(bus, stream, filters)


async def pending(bus: Bus, stream: str, filters: Sequence[str], start: Start) -> int:
    """Return the number of stored messages that a reader starting at `start` would read.

    Asked from any replica of the stream, which may lag behind.
    Raises: Rejected, Ambiguous.
    """
    async with DirectGets(bus, stream) as gets:
        counts = await asyncio.gather(*(_count(bus, gets, stream, each, start) for each in filters))
    return sum(counts)


async def message_count(bus: Bus, stream: str, subject: str) -> int:
    """Return the number of stored messages on one subject, without reading them.

    Raises: StreamGone, Rejected, Ambiguous.
    """
    body = {"subjects_filter": subject}
    info = await bus.api(f"STREAM.INFO.{stream}", body, SubjectsInfo, LOOKUP_TIMEOUT_S)
    return info.state.subjects.get(subject, 0)


async def _count(bus: Bus, gets: DirectGets, stream: str, pattern: str, start: Start) -> int:
    if isinstance(start, NewOnly):
        return 0
    body: dict[str, object] = {"next_by_subj": pattern, "batch": 1}
    if isinstance(start, LastPerSubject):
        body = {"multi_last": [pattern], "batch": 1}
    elif isinstance(start, FromTime):
        body["start_time"] = time_text(start.time_ns)
    else:
        body["seq"] = max(start.sequence, 1) if isinstance(start, FromSequence) else 1
    try:
        page = await gets.get(body)
    except Rejected as error:
        if error.status != TOO_MANY_SUBJECTS:
            raise
        return len(await subjects_of(bus, stream, [pattern]))
    return len(page.messages) + page.pending


async def _snapshot(bus: Bus, stream: str, filters: Sequence[str]) -> list[Received]:
    check_disjoint(filters)
    found: dict[str, Received] = {}
    start = LastPerSubject()
    async with DirectGets(bus, stream) as gets:
        removing = bus.on_reconnect(gets.interrupt)
        try:
            history = History(bus, gets, filters, start, ReadPosition(stream, start), BATCH_SIZE)
            while True:
                batch = await history.read()
                for message in batch.messages:
                    found.pop(message.subject, None)
                    found[message.subject] = message
                if batch.caught_up:
                    return list(found.values())
        finally:
            removing()


class _Reader:
    """Yields the messages of a stream that match the filters, after a position. A `Follower` of the stream's watch."""

    def __init__(
        self, bus: Bus, filters: Sequence[str], start: Start, position: ReadPosition, batch: int
    ) -> None:
        check_disjoint(filters)
        self.filters = tuple(filters)
        self._bus = bus
        self._batch = batch
        self._position = position
        self._gets = DirectGets(bus, position.stream)
        self._history = History(bus, self._gets, filters, start, position, batch)
        self._tail = Tail(bus, filters, position)
        self._covering = covering(filters)
        self._matcher = SubjectFilters(filters)
        self._is_following = False

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield batches for ever. Raises as `read` does."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(stream_watch.leave, self._bus, self._position.stream, self)
            stack.callback(self._bus.on_reconnect(self._on_reconnect))
            await stack.enter_async_context(self._gets)
            await stack.enter_async_context(self._tail)
            has_joined = False
            while True:
                self._tail.restart()
                self._history.restart()
                while not (batch := await self._history.read()).caught_up:
                    yield batch
                yield batch
                self._tail.is_lossless = self._history.is_on_one_server
                self._is_following = True
                if not has_joined:
                    stream_watch.join(self._bus, self._position.stream, self)
                    has_joined = True
                while not self._tail.doubt:
                    if (following := await self._follow()) is not None:
                        yield following
                self._is_following = False

    async def _follow(self) -> Batch | None:
        """Return the next messages; None when there are none after all, or there is doubt."""
        await self._tail.wait()
        if messages := self._tail.take(self._batch):
            return Batch(messages, self._tail.is_empty)
        if self._tail.doubt or self._tail.is_empty:
            return None
        return await self._read_up_to_target()

    async def _read_up_to_target(self) -> Batch | None:
        """Read a page of the stream, which has at least the messages up to the target, or will have them shortly."""
        position, tail = self._position, self._tail
        if len(self.filters) > 1 and tail.target - position.covered > MAX_SCANNED:
            tail.suspect("many messages of other subjects lie between")
            return None
        body: dict[str, object] = {"seq": position.next, "batch": self._batch, "max_bytes": MAX_PAGE_BYTES}
        if not self._history.is_whole_stream:
            body["next_by_subj"] = self._covering
        loop = asyncio.get_running_loop()
        started, lag = loop.time(), Backoff(LAG_RETRY_S, MAX_LAG_S)
        while not tail.doubt:
            try:
                page = await self._gets.get(body)
            except (Ambiguous, Rejected) as error:
                if isinstance(error, Rejected) and error.status != UNAVAILABLE:
                    raise
                tail.suspect(str(error))
                break
            if page.messages:
                wanted = [each for each in page.messages if self._matcher.matches(each.subject)]
                new = [each for each in wanted if position.deliver(each)]
                position.cover(page.messages[-1].sequence)
                tail.forget_covered()
                return Batch(new, tail.is_empty) if new else None
            reached("replica_behind")
            if loop.time() - started > MAX_LAG_S:
                tail.suspect(f"message {tail.target} is not found")
                break
            await lag.wait()
        return None

    def _on_reconnect(self) -> None:
        self._gets.interrupt()
        self._tail.suspect("reconnected")

    @property
    def created(self) -> str | None:
        return self._position.created

    @property
    def covered(self) -> int:
        return self._position.covered

    def has_received(self, subject: str, sequence: int) -> bool:
        return sequence <= max(self._position.covered, self._position.last_on(subject))

    def on_missed(self, sequence: int) -> None:
        self._tail.read_up_to(sequence)

    def on_nothing_missed(self, up_to: int) -> None:
        if self._is_following and self._tail.is_empty and not self._tail.doubt:
            self._position.cover(up_to)

    def on_changed(self, why: str) -> None:
        self._tail.suspect(why)
