"""Reading a stream in order: nothing lost, nothing twice, whatever happens to server, connection or consumer.

The reader pulls from a consumer that may vanish at any time: it knows by itself what it wants next, checks that what
comes has no gap, and makes the consumer anew when in doubt. What cannot be mended is raised as OffsetLost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nats.errors

from bus.client.consumer import (
    ConsumerInfo,
    FromSequence,
    FromStart,
    FromTime,
    LastPerSubject,
    NewOnly,
    Start,
    consumer_config,
    delivery_of,
    pull_request,
)
from bus.client.headers import Headers, parse_status
from bus.client.jetstream import StreamState
from bus.client.message import Received
from bus.client.request_reply import nats_inbox
from bus.errors import Ambiguous, BusError, OffsetLost, Refused, StreamGone
from bus.log import get_logger
from bus.streams.rollback import Rollback

if TYPE_CHECKING:
    from nats.aio.subscription import Subscription

    from bus.client.connection import Bus
    from schemas.engine.journal import StreamOffset

BATCH = 256
SILENCE_S = 1.5
"""Without three heartbeats in a row a consumer is taken for dead."""
RETRY_S = 0.05
RETRY_MAX_S = 1.0
UNAVAILABLE = 503
STALE_FOR_S = 10.0
"""In a cluster a server that does not know yet that it leads no more answers with what it last knew, for so long at most."""

_log = get_logger("bus")


@dataclass(frozen=True, slots=True)
class Batch:
    """What has come, in the order of the stream."""

    messages: list[Received]
    caught_up: bool
    """When the last of them was sent there were no more. One without messages comes when there are none at first,
    and when nothing was missed while there was no connection."""


async def read(
    bus: Bus, stream: str, filters: Sequence[str], start: Start, *, batch: int = BATCH
) -> AsyncGenerator[Batch, None]:
    """Yield what a stream has and gets on the subjects that match, for ever, at most `batch` messages at a time.

    Leave it with `contextlib.aclosing` when the loop may end early.
    Raises: StreamGone when there is no such stream at first. OffsetLost when the stream went, was made anew, or has
    discarded what was wanted next: call `provision`, reconcile, read anew. Refused for filters that overlap.
    """
    if isinstance(start, FromSequence) and start.sequence <= 1:
        start = FromStart()
    async with aclosing(_Reader(bus, stream, filters, start, batch).batches()) as batches:
        async for each in batches:
            yield each


async def read_durable(
    bus: Bus, stream: str, filters: Sequence[str], offset: StreamOffset | None, *, batch: int = BATCH
) -> AsyncGenerator[Batch, None]:
    """Yield what comes behind an offset, or everything when there is none; otherwise as `read`.

    Raises: OffsetLost, at once if need be; StreamGone.
    """
    if offset is None:
        reader = _Reader(bus, stream, filters, FromStart(), batch)
    else:
        reader = _Reader(bus, stream, filters, FromSequence(offset.sequence + 1), batch, offset.created)
    async with aclosing(reader.batches()) as batches:
        async for each in batches:
            yield each


async def last_per_subject(bus: Bus, stream: str, filters: Sequence[str]) -> list[Received]:
    """Return the last message of each subject that matches, in the order of the stream.

    Raises: StreamGone.
    """
    while True:
        with suppress(OffsetLost):  # made anew meanwhile
            return await _snapshot(bus, stream, filters)


async def _snapshot(bus: Bus, stream: str, filters: Sequence[str]) -> list[Received]:
    found: dict[str, Received] = {}
    async with aclosing(read(bus, stream, filters, LastPerSubject())) as batches:
        async for batch in batches:
            for message in batch.messages:
                found.pop(message.subject, None)
                found[message.subject] = message
            if batch.caught_up:
                break
    return list(found.values())


class _Reader:
    def __init__(
        self,
        bus: Bus,
        stream: str,
        filters: Sequence[str],
        start: Start,
        batch: int,
        created: str | None = None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._filters = tuple(filters)
        self._start = start
        self._batch = batch
        self._created = created
        self._next = start.sequence if isinstance(start, FromSequence) else None
        # The last sequence handed on: a snapshot that is begun anew must not repeat it.
        self._delivered = 0
        self._caught_up = False
        # Whatever matches up to here is covered once nothing is pending and `_due` was delivered.
        self._covered = 0
        self._due = 0
        self._behind_since: float | None = None
        self._rollback = Rollback()
        self._inbox = nats_inbox(bus.nc)
        self._subscription: Subscription | None = None
        self._arrived: deque[tuple[bytes, bytes, bytes, bytes]] = deque()
        self._wake = asyncio.Event()
        self._broken = ""
        self._consumers = 0
        self._consumer = ""
        self._consumer_token = b""
        self._consumer_sequence = 0
        self._pulls = 0
        self._outstanding = 0

    async def batches(self) -> AsyncGenerator[Batch, None]:
        forget = self._bus.on_reconnect(lambda: self._break("reconnected"))
        try:
            # What comes is bounded by what is pulled, so that nothing has to be dropped.
            self._subscription = await self._bus.nc.listen(f"{self._inbox}*", self._on_message)
            while True:
                if await self._consume_anew() == 0 and self._wanted > self._due:
                    self._catch_up()
                    yield Batch([], caught_up=True)
                while not self._broken:
                    taken = self._take()
                    await self._pull()
                    if taken is not None:
                        yield taken
                    elif not self._arrived:
                        await self._wait()
        finally:
            forget()
            await self._leave()

    async def _consume_anew(self) -> int:
        """Make a consumer that begins at what is wanted next; return how many messages it has."""
        delay = RETRY_S
        while True:
            await self._bus.wait_connected()
            await self._forget_consumer()
            try:
                return await self._create_consumer()
            except StreamGone:
                if self._created is None:
                    raise
                raise OffsetLost(self._stream, self._wanted, 0, "") from None
            except (Ambiguous, Refused) as error:
                if isinstance(error, Refused) and error.status != UNAVAILABLE:
                    raise
                _log.warning("reader_waits", stream=self._stream, detail=error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_MAX_S)

    async def _create_consumer(self) -> int:
        before = await self._bus.stream_state(self._stream)
        self._created = self._created or before.created
        if isinstance(self._start, NewOnly) and self._next is None:
            self._next = before.last + 1
        self._check(before)
        self._covered = before.last
        self._due = await self._last_matching(before)
        self._consumers += 1
        name = f"{self._inbox.replace('.', '')}-{self._consumers}"
        start = FromSequence(self._next) if self._next is not None else self._start
        config = consumer_config(name, self._filters, start)
        self._arrived.clear()
        self._outstanding, self._consumer_sequence, self._broken = 0, 0, ""
        self._consumer, self._consumer_token = name, f".{name}.".encode()
        info = await self._bus.api(
            f"CONSUMER.CREATE.{self._stream}.{name}",
            {"stream_name": self._stream, "config": config, "action": "create"},
            ConsumerInfo,
        )
        # The stream may have been made anew in between: then so says this answer, or the next consumer's.
        self._check(await self._bus.stream_state(self._stream))
        return info.num_pending

    async def _last_matching(self, state: StreamState) -> int:
        if state.replicas == 1:
            return 0
        # The consumer may be with a server that lags behind the leader: that nothing is pending there says little.
        last = await asyncio.gather(*(self._bus.last(self._stream, each) for each in self._filters))
        return max((each.sequence for each in last if each is not None and self._reaches(each)), default=0)

    def _reaches(self, last: Received) -> bool:
        if self._next is not None or not isinstance(self._start, FromTime):
            return True
        return last.time_ns >= self._start.time_ns

    def _check(self, state: StreamState) -> None:
        is_other = state.created != self._created or self._rollback.is_seen(state, self._next)
        if not is_other:
            self._check_age(state)
        is_there = self._next is None or state.first <= self._next <= state.last + 1
        if is_other or not is_there:
            raise OffsetLost(self._stream, self._wanted, state.first, state.created)

    def _check_age(self, state: StreamState) -> None:
        is_behind = self._next is not None and state.last + 1 < self._next
        if state.replicas == 1 or not is_behind:
            self._behind_since = None
            return
        now = asyncio.get_running_loop().time()
        self._behind_since = self._behind_since or now
        if now - self._behind_since < STALE_FOR_S:
            raise Ambiguous(f"{self._stream} ends at {state.last} says a server; {self._next} was next")

    @property
    def _wanted(self) -> int:
        return self._next if self._next is not None else self._delivered + 1

    def _catch_up(self) -> None:
        self._caught_up = True
        self._next = max(self._wanted, self._covered + 1)

    def _take(self) -> Batch | None:
        """Return what has arrived, None when nothing has; stop at a gap."""
        messages: list[Received] = []
        caught_up = False
        while self._arrived and len(messages) < self._batch:
            subject, reply, headers, data = self._arrived.popleft()
            delivery = delivery_of(reply.decode())
            if delivery.consumer_sequence != self._consumer_sequence + 1:
                self._break("gap")
                break
            self._consumer_sequence += 1
            sequence = delivery.stream_sequence
            caught_up = delivery.pending == 0 and sequence >= self._due
            if sequence > self._delivered:
                self._delivered = sequence
                named = Headers(headers)
                messages.append(
                    Received(subject.decode(), data, named, self._stream, sequence, delivery.time_ns)
                )
        if messages and (self._caught_up or not isinstance(self._start, LastPerSubject)):
            self._next = self._delivered + 1
        is_first = caught_up and not self._caught_up
        if caught_up:
            self._catch_up()
        return Batch(messages, caught_up) if messages or is_first else None

    async def _pull(self) -> None:
        if self._outstanding or self._broken:
            return
        self._pulls += 1
        self._outstanding = self._batch
        await self._bus.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
            pull_request(self._batch),
            reply=f"{self._inbox}{self._pulls}",
        )

    async def _wait(self) -> None:
        self._wake.clear()
        if self._broken:
            return
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._wake.wait()
        except TimeoutError:
            self._break("silence")

    def _on_message(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        if reply:
            if self._consumer and self._consumer_token in reply:
                self._arrived.append((subject, reply, headers, data))
                self._outstanding -= 1
        elif subject == f"{self._inbox}{self._pulls}".encode():
            self._on_status(*parse_status(headers))
        self._wake.set()

    def _on_status(self, status: str, description: str) -> None:
        match status:
            case "100":
                pass  # a heartbeat
            case "408":
                self._outstanding = 0  # the pull has expired
            case _:
                self._break(f"{status} {description}")

    def _break(self, why: str) -> None:
        _log.debug("reader_begins_anew", stream=self._stream, wanted=self._wanted, why=why)
        self._broken = why
        self._wake.set()

    async def _forget_consumer(self) -> None:
        if self._consumer:
            name, self._consumer = self._consumer, ""
            self._pulls += 1  # what the server says of earlier pulls is of no interest any more
            with suppress(BusError):
                await self._bus.publish(
                    f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}", b"", reply=f"{self._inbox}deleted"
                )

    async def _leave(self) -> None:
        await self._forget_consumer()
        if self._subscription is not None:
            with suppress(nats.errors.Error):
                await self._bus.nc.forget(self._subscription)
