"""Heartbeat of an actor. The gateway cancels opening orders when it receives none."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bus import Bus
from schemas import subjects
from schemas.units import Symbol, VenueId

INTERVAL_S = 0.5
MAX_BUSY_S = 1.0
"""The longest time for one input, most of it for the commit, during which heartbeats go out."""


class Heartbeat:
    """Publishes heartbeats while the event loop runs and no input is stuck."""

    def __init__(
        self, bus: Bus, venue: VenueId, symbol: Symbol, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._subject = subjects.heartbeat(venue, symbol)
        self._clock = clock
        self._busy_since: float | None = None

    def is_alive(self) -> bool:
        """Return whether no input has been in process for too long."""
        return self._busy_since is None or self._clock() - self._busy_since <= MAX_BUSY_S

    @contextmanager
    def working(self) -> Iterator[None]:
        """Measure the processing time of an input."""
        self._busy_since = self._clock()
        yield
        # Not reached after a failure: a failed actor sends no heartbeat.
        self._busy_since = None

    async def run(self) -> None:
        """Publish heartbeats, for ever."""
        while True:
            if self.is_alive():
                await self._bus.publish(self._subject, b"")
            await asyncio.sleep(INTERVAL_S)
