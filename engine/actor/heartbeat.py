"""Heartbeat of an actor. The gateway cancels opening orders when it receives none."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bus import Bus
from bus.runtime import background_s, monotonic_s, time_ns
from schemas import subjects
from schemas.codec import encode
from schemas.engine.events import EngineHeartbeat
from schemas.units import Symbol, VenueId

INTERVAL_S = 0.5
MAX_BUSY_S = 1.0
"""Seconds that one input may take, most of them for the commit, before heartbeats stop."""


class Heartbeat:
    """Publishes heartbeats while the event loop runs and no input takes longer than `MAX_BUSY_S`."""

    def __init__(
        self,
        bus: Bus,
        venue: VenueId,
        symbol: Symbol,
        engine: str,
        *,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """`engine` is the name of the engine process."""
        self._bus = bus
        self._venue = venue
        self._symbol = symbol
        self._engine = engine
        self._subject = subjects.heartbeat(venue, symbol)
        self._clock = clock
        self._busy_since_s: float | None = None

    def is_alive(self) -> bool:
        """Return whether no input has been in process for too long."""
        return self._busy_since_s is None or self._clock() - self._busy_since_s <= MAX_BUSY_S

    @contextmanager
    def working(self) -> Iterator[None]:
        """Measure the processing time of an input."""
        self._busy_since_s = self._clock()
        yield
        # Not reached after a failure: a failed actor sends no heartbeat.
        self._busy_since_s = None

    async def run(self) -> None:
        """Publish heartbeats, for ever."""
        while True:
            if self.is_alive():
                await self._bus.publish(self._subject, encode(self._now()))
            await asyncio.sleep(background_s(INTERVAL_S))

    def _now(self) -> EngineHeartbeat:
        return EngineHeartbeat(venue=self._venue, symbol=self._symbol, engine=self._engine, time=time_ns())
