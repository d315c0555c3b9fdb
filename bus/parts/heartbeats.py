"""The heartbeats of this process: `part.gateway.gateway-sim2`."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Never

import msgspec

from bus.client.connection import Bus
from bus.errors import BusError, StreamGone
from bus.streams.provision import provision
from schemas import subjects
from schemas.codec import encode
from schemas.parts import HEARTBEAT_INTERVAL_NS, PartHeartbeat, VenueLink
from schemas.units import SECOND_NS, VenueId

ACKNOWLEDGED_EACH = 10
"""Each so many heartbeats one is acknowledged."""
ACKNOWLEDGED_WITHIN_S = 1.0


def _none() -> tuple[()]:
    return ()


class Heartbeats:
    """Publishes the heartbeats of one part, from the event loop that does its work: a hung process is silent.

    Most are published without acknowledgement. Now and then one is acknowledged, to create the stream again if it is gone.
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
        self._is_doubtful = False
        self._problems = problems
        self._started_time = time.time_ns()
        self._host = socket.gethostname()

    async def run(self) -> Never:
        """Publish a heartbeat every second, for ever."""
        count = 0
        while True:
            self._wake.clear()
            is_acknowledged = self._is_doubtful or count % ACKNOWLEDGED_EACH == 0
            await (self._store() if is_acknowledged else self._publish(self.now()))
            count += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_INTERVAL_NS / SECOND_NS):
                    await self._wake.wait()

    def check_stream(self) -> None:
        """Have the next heartbeat acknowledged: the stream may be gone."""
        self._is_doubtful = True

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
            time=time.time_ns(),
            started_time=self._started_time,
            venues=self._venues,
            symbols=tuple(sorted(self.symbols())),
            links=tuple(self.links()),
            problems=tuple(self._problems()),
            address=self.address,
            host=self._host,
            pid=os.getpid(),
        )

    async def _store(self) -> None:
        self._is_doubtful = False
        try:
            await self.bus.store(self.subject, self.now(), timeout_s=ACKNOWLEDGED_WITHIN_S)
        except StreamGone:
            with suppress(BusError):
                await provision(self.bus)
        except BusError:
            return

    async def _publish(self, heartbeat: PartHeartbeat) -> None:
        try:
            await self.bus.publish(self.subject, encode(heartbeat))
        except BusError:
            return  # without a connection there is nothing to tell; the watchers notice the silence
