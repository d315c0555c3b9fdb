"""The latest message of each subject, conflated for slow readers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from bus.client.connection import Bus
from bus.client.jetstream import RollbackDetector, parse_time_ns
from bus.client.message import Message, Received
from bus.errors import Ambiguous, Rejected, StreamGone
from bus.log import get_logger
from bus.streams import stream_watch
from bus.streams.reader import last_per_subject
from bus.streams.topology import LIVE_PREFIX

SEQUENCE_HEADER = "Nats-Sequence"
TIME_HEADER = "Nats-Time-Stamp"
RETRY_S = 0.5

_log = get_logger("bus")


class LatestValues:
    """The latest message of every matching subject: first those in the stream, then each one stored later.

    Receives the messages that the stream republishes under `live.` once they are stored, so it never yields a message
    that was not stored. After a reconnect or a slow-consumer error it reads the stream again, so that it catches up with
    the latest.
    """

    def __init__(self, bus: Bus, stream: str, filters: Sequence[str]) -> None:
        self._bus = bus
        self._stream = stream
        self.filters = tuple(filters)
        self.covered = 0
        self.created = ""
        self._rollback = RollbackDetector()
        self._latest: dict[str, Received] = {}
        self._unread: dict[str, Received] = {}
        self._has_changed = asyncio.Event()
        self._is_stale = asyncio.Event()
        self._refreshing: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Subscribe and read the stream.

        Raises: StreamGone, Rejected, Ambiguous.
        """
        async with AsyncExitStack() as stack:
            for subject in self.filters:
                # Subscribe before reading the snapshot; overlapping messages are dropped by sequence.
                stack.push_async_callback(
                    await self._bus.subscribe(f"{LIVE_PREFIX}{subject}", self._listener())
                )
            stack.callback(self._bus.on_reconnect(self._is_stale.set))
            await self._refresh()
            stack.push_async_callback(stream_watch.leave, self._bus, self._stream, self)
            stream_watch.join(self._bus, self._stream, self)
            self._refreshing = asyncio.create_task(self._refresh_for_ever(), name=f"latest:{self._stream}")
            self._refreshing.add_done_callback(lambda _: self._has_changed.set())
            stack.push_async_callback(_cancel, self._refreshing)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def __aiter__(self) -> AsyncIterator[Received]:
        """Yield the latest message of each changed subject, for ever."""
        while True:
            await self.changed()
            # One at a time: the unread ones may still be replaced by newer messages.
            yield self._unread.pop(next(iter(self._unread)))

    async def changed(self) -> None:
        """Wait until there is an unread message.

        Raises: ConnectionClosed.
        """
        while not self._unread:
            if self._refreshing is not None and self._refreshing.done():
                self._refreshing.result()
            self._has_changed.clear()
            await self._has_changed.wait()

    def take(self) -> list[Received]:
        """Return the latest message of each subject that changed since it was last read."""
        taken, self._unread = list(self._unread.values()), {}
        return taken

    def get(self, subject: str) -> Received | None:
        """Return the latest message of a subject; None when there is none."""
        return self._latest.get(subject)

    def has_received(self, subject: str, sequence: int) -> bool:
        known = self._latest.get(subject)
        return known is not None and known.sequence >= sequence

    def on_missed(self, sequence: int) -> None:
        self._is_stale.set()

    def on_nothing_missed(self, up_to: int) -> None:
        self.covered = max(self.covered, up_to)

    def on_changed(self, why: str) -> None:
        self._is_stale.set()

    def _listener(self) -> Callable[[Message], None]:
        last_sequence = 0

        def on_message(message: Message) -> None:
            nonlocal last_sequence
            text = message.headers.get(SEQUENCE_HEADER)
            if text is None:  # not republished by a stream
                return
            sequence = int(text)
            if sequence <= last_sequence:
                # A recreated stream starts at 1: discard the messages of the old one.
                self.created = ""
                self._is_stale.set()
            last_sequence = sequence
            subject = message.subject.removeprefix(LIVE_PREFIX)
            time_ns = parse_time_ns(message.headers[TIME_HEADER])
            self._put(Received(subject, message.data, message.headers, self._stream, sequence, time_ns))

        return on_message

    def _put(self, received: Received) -> None:
        known = self._latest.get(received.subject)
        if known is None or known.sequence < received.sequence:
            self._latest[received.subject] = received
            self._unread[received.subject] = received
            self._has_changed.set()

    async def _refresh(self) -> None:
        state = await self._bus.stream_state(self._stream)
        if state.created != self.created or self._rollback.is_rolled_back(state):
            self.created = state.created
            self._latest.clear()
        self.covered = state.last
        for received in await last_per_subject(self._bus, self._stream, self.filters):
            self._put(received)

    async def _refresh_for_ever(self) -> None:
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            try:
                await self._bus.wait_connected()
                await self._refresh()
            except (StreamGone, Rejected, Ambiguous) as error:
                _log.warning("latest_values_retry", stream=self._stream, detail=error)
                self._is_stale.set()
                await asyncio.sleep(RETRY_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
