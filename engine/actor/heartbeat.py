"""The heartbeat: an actor that can work says so. Where it is not heard the gateway takes opening orders back."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bus import Bus
from schemas import subjects
from schemas.units import Symbol, VenueId

EVERY_S = 0.5
BUSY_S = 1.0
"""An input that takes longer, mostly to be committed, is no sign of life."""


class Heartbeat:
    """Says that a symbol is looked after: as long as the loop turns and nothing is stuck."""

    def __init__(
        self, bus: Bus, venue: VenueId, symbol: Symbol, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._subject = subjects.heartbeat(venue, symbol)
        self._clock = clock
        self._busy_since: float | None = None

    def is_well(self) -> bool:
        """Tell whether nothing has been under way for too long."""
        return self._busy_since is None or self._clock() - self._busy_since <= BUSY_S

    @contextmanager
    def working(self) -> Iterator[None]:
        """Take the time of an input."""
        self._busy_since = self._clock()
        yield
        # Not when it failed: who failed does not live.
        self._busy_since = None

    async def beat(self) -> None:
        """Say it twice a second, for ever."""
        while True:
            if self.is_well():
                await self._bus.publish(self._subject, b"")
            await asyncio.sleep(EVERY_S)
