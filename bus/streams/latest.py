"""Levels: subjects of which only the newest message counts, conflated for a reader that is slower than they come."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from bus.client.connection import Bus
from bus.client.jetstream import parse_time_ns
from bus.client.message import Message, Received
from bus.errors import Ambiguous, Refused, StreamGone
from bus.log import get_logger
from bus.streams.rollback import Rollback
from bus.streams.topology import LIVE_PREFIX

SEQUENCE = "Nats-Sequence"
TIME = "Nats-Time-Stamp"
RETRY_S = 0.5

_log = get_logger("bus")


class LatestValues:
    """The newest of every subject that matches: what the stream has, then what it stores.

    Built on what a stream publishes again once it has stored it, so what was refused is never seen. Whenever something
    may have been missed the stream is read again, so the newest never is.
    """

    def __init__(self, bus: Bus, stream: str, filters: Sequence[str]) -> None:
        self._bus = bus
        self._stream = stream
        self._filters = tuple(filters)
        self._created = ""
        self._rollback = Rollback()
        self._newest: dict[str, Received] = {}
        self._waiting: dict[str, Received] = {}
        self._has_changed = asyncio.Event()
        self._is_stale = asyncio.Event()
        self._refreshing: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen, and read what the stream has.

        Raises: StreamGone, Refused, Ambiguous.
        """
        async with AsyncExitStack() as stack:
            for subject in self._filters:
                # First the ear, then the snapshot: what falls in between is in both, and sequences tell.
                stack.push_async_callback(
                    await self._bus.subscribe(f"{LIVE_PREFIX}{subject}", self._listener())
                )
            stack.callback(self._bus.on_reconnect(self._is_stale.set))
            await self._refresh()
            self._refreshing = asyncio.create_task(self._refresh_for_ever(), name=f"levels:{self._stream}")
            self._refreshing.add_done_callback(lambda _: self._has_changed.set())
            stack.push_async_callback(_cancel, self._refreshing)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def __aiter__(self) -> AsyncIterator[Received]:
        """Yield the newest of each subject that changed, for ever."""
        while True:
            await self.changed()
            # One at a time: what is still waiting may yet be replaced by something newer.
            yield self._waiting.pop(next(iter(self._waiting)))

    async def changed(self) -> None:
        """Return when there is something to take.

        Raises: ConnectionClosed.
        """
        while not self._waiting:
            if self._refreshing is not None and self._refreshing.done():
                self._refreshing.result()
            self._has_changed.clear()
            await self._has_changed.wait()

    def take(self) -> list[Received]:
        """Return the newest of each subject that changed and was not taken yet."""
        taken, self._waiting = list(self._waiting.values()), {}
        return taken

    def get(self, subject: str) -> Received | None:
        """Return the newest of a subject, None when there is none."""
        return self._newest.get(subject)

    def _listener(self) -> Callable[[Message], None]:
        heard = 0

        def on_message(message: Message) -> None:
            nonlocal heard
            text = message.headers.get(SEQUENCE)
            if text is None:  # not from a stream
                return
            sequence = int(text)
            if sequence <= heard:
                # A stream that was made anew counts from 1 again: nothing known of the old one holds.
                self._created = ""
                self._is_stale.set()
            heard = sequence
            subject = message.subject.removeprefix(LIVE_PREFIX)
            time_ns = parse_time_ns(message.headers[TIME])
            self._put(Received(subject, message.data, message.headers, self._stream, sequence, time_ns))

        return on_message

    def _put(self, received: Received) -> None:
        known = self._newest.get(received.subject)
        if known is None or known.sequence < received.sequence:
            self._newest[received.subject] = received
            self._waiting[received.subject] = received
            self._has_changed.set()

    async def _refresh(self) -> None:
        state = await self._bus.stream_state(self._stream)
        if state.created != self._created or self._rollback.is_seen(state):
            self._created = state.created
            self._newest.clear()
        for received in await self._bus.last_per_subject(self._stream, self._filters):
            self._put(received)

    async def _refresh_for_ever(self) -> None:
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            try:
                await self._bus.wait_connected()
                await self._refresh()
            except (StreamGone, Refused, Ambiguous) as error:
                _log.warning("levels_not_read", stream=self._stream, detail=error, do="trying again")
                self._is_stale.set()
                await asyncio.sleep(RETRY_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
