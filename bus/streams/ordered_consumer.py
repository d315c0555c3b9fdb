"""An ordered consumer: a JetStream pull consumer that is recreated at the next sequence whenever it fails.

The consumer may vanish at any time (a restart, a lost leader, deletion). The reader therefore tracks the next sequence
itself, checks that deliveries have no gap, and recreates the consumer when in doubt. A gap that cannot be closed is
raised as OffsetLost.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import nats.errors
from nats.aio.subscription import Subscription

from bus.backoff import Backoff
from bus.client.connection import Bus
from bus.client.consumer import (
    ConsumerInfo,
    FromSequence,
    FromTime,
    LastPerSubject,
    NewOnly,
    Start,
    consumer_config,
    consumer_prefix,
    delivery_of,
    pull_request,
)
from bus.client.headers import Headers, parse_status
from bus.client.jetstream import RollbackDetector, StreamState
from bus.client.message import Received
from bus.client.request_reply import nats_inbox
from bus.errors import Ambiguous, BusError, OffsetLost, Rejected, StreamGone
from bus.log import get_logger
from bus.streams.offsets import is_replaced

BATCH_SIZE = 256
MAX_SILENCE_S = 1.5
"""A consumer is considered lost after three missing heartbeats."""
RETRY_S = 0.05
MAX_RETRY_S = 1.0
UNAVAILABLE = 503
MAX_STALE_S = 10.0
"""How long a server in a cluster may report an outdated stream state before it has noticed that it no longer leads."""

_log = get_logger("bus")


@dataclass(frozen=True, slots=True)
class Batch:
    """Received messages, in stream order."""

    messages: list[Received]
    caught_up: bool
    """Whether the stream had no further message when the last one was delivered. A batch without messages is yielded when
    the stream has none at first, and when none were missed during a reconnect."""


class OrderedConsumer:
    """Yields the messages of a stream that match the filters, beginning at `start`.

    With `created`, the stream must have this creation time; with `stored_time`, in nanoseconds of the server's time, the
    message before the start must have been stored then.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        filters: Sequence[str],
        start: Start,
        batch: int,
        created: str | None = None,
        stored_time: int = 0,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._filters = tuple(filters)
        self._start = start
        self._batch = batch
        self._created = created
        # The sequence at which the next consumer starts; None while it starts at `start`.
        self._next = start.sequence if isinstance(start, FromSequence) else None
        # The last sequence yielded: a snapshot that is started again must not repeat messages.
        self._delivered = 0
        # The newest message known to be stored before `_next`, with its time; 0 while there is none.
        self._known = start.sequence - 1 if isinstance(start, FromSequence) and stored_time else 0
        self._known_time = stored_time
        self._caught_up = False
        # The last sequence of the stream when the consumer was created: up to here nothing is missing once no message is
        # pending and `_due` was delivered.
        self._covered = 0
        self._due = 0
        self._behind_since: float | None = None
        self._rollback = RollbackDetector()
        self._inbox = nats_inbox(bus.nc)
        self._subscription: Subscription | None = None
        self._arrived: deque[tuple[bytes, bytes, bytes, bytes]] = deque()
        self._wake = asyncio.Event()
        # Why the consumer must be recreated; empty while it works.
        self._failure = ""
        self._consumers = 0
        self._consumer = ""
        self._consumer_token = b""
        self._consumer_sequence = 0
        self._pulls = 0
        # Messages of the current pull that have not arrived yet.
        self._outstanding = 0

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield batches for ever. Raises as `bus.streams.reader.read` does."""
        remove_listener = self._bus.on_reconnect(lambda: self._fail("reconnected"))
        try:
            # A direct subscription is unbounded, but no more messages arrive than were pulled.
            self._subscription = await self._bus.nc.subscribe_direct(f"{self._inbox}*", self._on_message)
            while True:
                if await self._recreate_consumer() == 0 and self._next_sequence > self._due:
                    self._set_caught_up()
                    yield Batch([], caught_up=True)
                while not self._failure:
                    taken = self._take()
                    await self._pull()
                    if taken is not None:
                        yield taken
                    elif not self._arrived:
                        await self._wait()
        finally:
            remove_listener()
            await self._close()

    async def _recreate_consumer(self) -> int:
        """Create a consumer at the next sequence, retrying until it succeeds; return its number of messages."""
        backoff = Backoff(RETRY_S, MAX_RETRY_S)
        while True:
            await self._bus.wait_connected()
            await self._delete_consumer()
            try:
                return await self._create_consumer()
            except StreamGone:
                if self._created is None:
                    raise
                raise OffsetLost(self._stream, self._next_sequence, 0, "") from None
            except (Ambiguous, Rejected) as error:
                if isinstance(error, Rejected) and error.status != UNAVAILABLE:
                    raise
                _log.warning("consumer_create_retry", stream=self._stream, detail=error)
            await backoff.wait()

    async def _create_consumer(self) -> int:
        before = await self._bus.stream_state(self._stream)
        self._created = self._created or before.created
        if isinstance(self._start, NewOnly) and self._next is None:
            self._next = before.last + 1
        self._check(before)
        if self._known and await is_replaced(self._bus, self._stream, self._known, self._known_time):
            raise OffsetLost(self._stream, self._next_sequence, before.first, before.created)
        self._covered = before.last
        self._due = await self._last_matching(before)
        self._consumers += 1
        name = f"{consumer_prefix(self._bus.name, self._inbox)}-{self._consumers}"
        start = FromSequence(self._next) if self._next is not None else self._start
        config = consumer_config(name, self._filters, start)
        self._arrived.clear()
        self._outstanding, self._consumer_sequence, self._failure = 0, 0, ""
        self._consumer, self._consumer_token = name, f".{name}.".encode()
        info = await self._bus.api(
            f"CONSUMER.CREATE.{self._stream}.{name}",
            {"stream_name": self._stream, "config": config, "action": "create"},
            ConsumerInfo,
        )
        # The stream may have been recreated since `before`. This check notices it, or that of the next consumer.
        self._check(await self._bus.stream_state(self._stream))
        return info.num_pending

    async def _last_matching(self, state: StreamState) -> int:
        """Return the last matching sequence in a replicated stream; 0 for a stream on one server."""
        if state.replicas == 1:
            return 0
        # The consumer may run on a server that lags behind the leader: there, nothing pending does not mean caught up.
        last = await asyncio.gather(*(self._bus.last(self._stream, each) for each in self._filters))
        return max((each.sequence for each in last if each is not None and self._is_wanted(each)), default=0)

    def _is_wanted(self, last: Received) -> bool:
        if self._next is not None or not isinstance(self._start, FromTime):
            return True
        return last.time_ns >= self._start.time_ns

    def _check(self, state: StreamState) -> None:
        is_other = state.created != self._created or self._rollback.is_rolled_back(state, self._next)
        if not is_other:
            self._check_stale(state)
        is_stored_or_next = self._next is None or state.first <= self._next <= state.last + 1
        if is_other or not is_stored_or_next:
            raise OffsetLost(self._stream, self._next_sequence, state.first, state.created)

    def _check_stale(self, state: StreamState) -> None:
        is_behind = self._next is not None and state.last + 1 < self._next
        if state.replicas == 1 or not is_behind:
            self._behind_since = None
            return
        now = asyncio.get_running_loop().time()
        self._behind_since = self._behind_since or now
        if now - self._behind_since < MAX_STALE_S:
            raise Ambiguous(
                f"a server reports {state.last} as the end of {self._stream}; expected {self._next}"
            )

    @property
    def _next_sequence(self) -> int:
        return self._next if self._next is not None else self._delivered + 1

    def _set_caught_up(self) -> None:
        self._caught_up = True
        self._next = max(self._next_sequence, self._covered + 1)

    def _take(self) -> Batch | None:
        """Return the arrived messages as a batch, up to a gap; None when there are none."""
        messages: list[Received] = []
        caught_up = False
        while self._arrived and len(messages) < self._batch:
            subject, reply, block, data = self._arrived.popleft()
            delivery = delivery_of(reply.decode())
            if delivery.consumer_sequence != self._consumer_sequence + 1:
                self._fail("gap")
                break
            self._consumer_sequence += 1
            sequence = delivery.stream_sequence
            caught_up = delivery.pending == 0 and sequence >= self._due
            if sequence > self._delivered:
                self._delivered = self._known = sequence
                self._known_time = delivery.time_ns
                headers = Headers(block)
                messages.append(
                    Received(subject.decode(), data, headers, self._stream, sequence, delivery.time_ns)
                )
        if messages and (self._caught_up or not isinstance(self._start, LastPerSubject)):
            self._next = self._delivered + 1
        is_first = caught_up and not self._caught_up
        if caught_up:
            self._set_caught_up()
        return Batch(messages, caught_up) if messages or is_first else None

    async def _pull(self) -> None:
        if self._outstanding or self._failure:
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
        if self._failure:
            return
        try:
            async with asyncio.timeout(MAX_SILENCE_S):
                await self._wake.wait()
        except TimeoutError:
            self._fail("silence")

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
                self._fail(f"{status} {description}")

    def _fail(self, why: str) -> None:
        _log.debug("consumer_failed", stream=self._stream, next=self._next_sequence, why=why)
        self._failure = why
        self._wake.set()

    async def _delete_consumer(self) -> None:
        if self._consumer:
            name, self._consumer = self._consumer, ""
            self._pulls += 1  # ignore the status of earlier pulls
            with suppress(BusError):
                await self._bus.publish(
                    f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}", b"", reply=f"{self._inbox}deleted"
                )

    async def _close(self) -> None:
        await self._delete_consumer()
        if self._subscription is not None:
            with suppress(nats.errors.Error):
                await self._bus.nc.unsubscribe_direct(self._subscription)
