"""The heartbeats of this process: `part.gateway.gateway-sim2`."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Never

import msgspec

from bus.client.connection import Bus
from bus.errors import BusError, StreamGone
from bus.runtime import background_s, host_name, process_id, time_ns
from bus.streams.provision import provision
from schemas import subjects
from schemas.codec import encode
from schemas.parts import HEARTBEAT_INTERVAL_NS, PartHeartbeat, VenueLink
from schemas.subjects import Stream
from schemas.units import SECOND_NS, VenueId

STREAM_CHECK_S = 10.0
"""Seconds between two checks that the stream exists: heartbeats are not acknowledged."""
MIN_STREAM_CHECK_S = 1.0


def _none() -> tuple[()]:
    return ()


class Heartbeats:
    """Publishes the heartbeats of one part, from the event loop that does its work: a hung process is silent.

    They are not acknowledged, so that they never wait for other messages. A lost stream is created again.
    """

    def __init__(
        self,
        bus: Bus,
        kind: str,
        name: str,
        *,
        venues: tuple[VenueId, ...] = (),
        problems: Callable[[], Iterable[str]] = _none,
    ) -> None:
        """`name` is one token, unique among the parts of this kind."""
        self.bus = bus
        self.kind = kind
        self.name = name
        self.subject = subjects.part(kind, name)
        self.address = ""
        self.symbols: Callable[[], Iterable[str]] = _none
        """Returns the registry keys of the symbols that run here at present."""
        self.links: Callable[[], Iterable[VenueLink]] = _none
        """Returns the connections to venues."""
        self._venues = venues
        self._wake = asyncio.Event()
        self._is_doubtful = asyncio.Event()
        self._problems = problems
        self._started_time = time_ns()
        self._host = host_name()

    async def run(self) -> Never:
        """Publish a heartbeat every second, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_stream(), name="stream of heartbeats")
            while True:
                self._wake.clear()
                await self._publish(self.now())
                await _wait(self._wake, background_s(HEARTBEAT_INTERVAL_NS / SECOND_NS))
        raise AssertionError("its tasks run for ever")

    def check_stream(self) -> None:
        """Check soon whether the stream exists: heartbeats do not come back."""
        self._is_doubtful.set()

    def send_now(self) -> None:
        """Publish the next heartbeat at once: something important has changed."""
        self._wake.set()

    async def stop(self) -> None:
        """Publish the last heartbeat: this process stops in order."""
        await self._publish(msgspec.structs.replace(self.now(), is_stopping=True))

    def now(self) -> PartHeartbeat:
        """Return the heartbeat of this moment."""
        return PartHeartbeat(
            kind=self.kind,
            name=self.name,
            time=time_ns(),
            started_time=self._started_time,
            venues=self._venues,
            symbols=tuple(sorted(self.symbols())),
            links=tuple(self.links()),
            problems=tuple(self._problems()),
            address=self.address,
            host=self._host,
            pid=process_id(),
        )

    async def _keep_stream(self) -> Never:
        while True:
            await _wait(self._is_doubtful, background_s(STREAM_CHECK_S))
            self._is_doubtful.clear()
            with suppress(BusError):
                try:
                    await self.bus.stream_created(Stream.PARTS)
                except StreamGone:
                    await provision(self.bus)
            await asyncio.sleep(MIN_STREAM_CHECK_S)

    async def _publish(self, heartbeat: PartHeartbeat) -> None:
        try:
            await self.bus.publish(self.subject, encode(heartbeat))
        except BusError:
            return  # without a connection there is nothing to tell; the watchers notice the silence


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
