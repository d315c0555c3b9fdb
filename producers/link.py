"""The connection to a venue, judged by its signs of life: frames, answers, and pings while it is quiet."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Never

from bus import Attention
from producers.ports import Venue, VenueError
from schemas.parts import VenueLink
from schemas.units import SECOND_NS, VenueId

CHECK_S = 0.25
PING_AFTER_S = 1.0
"""A venue from which nothing was heard for this time is asked for its clock."""
LOST_AFTER_S = 2.5
"""A venue from which nothing was heard for this time, in spite of pings, is not connected."""


class LinkMonitor:
    """Watches the connection of this process to one venue. A quiet market is no loss: pings are answered."""

    def __init__(
        self,
        venue: Venue,
        venue_id: VenueId,
        attention: Attention,
        *,
        on_change: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_change` is called when the connection is lost or returns."""
        self._venue = venue
        self._venue_id = venue_id
        self._attention = attention
        self._on_change = on_change
        self._clock = clock
        self._heard_s: float | None = None
        self._heard_time = 0
        self._started_s = clock()
        self._failure = ""
        self._was_connected = True
        venue.on_heard = self.on_heard

    def on_heard(self) -> None:
        """Record a sign of life of the venue."""
        self._heard_s, self._heard_time = self._clock(), time.time_ns()

    def link(self) -> VenueLink:
        """Return the state of the connection now."""
        last_message_time = self._heard_time
        is_connected = self._silence_s() < LOST_AFTER_S
        return VenueLink(
            venue=self._venue_id,
            connected=is_connected,
            detail="" if is_connected else self._detail(last_message_time),
            url=self._venue.url,
            last_message_time=last_message_time,
        )

    async def run(self) -> Never:
        """Ping the venue while nothing else is heard from it; for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ping(), name="ping")
            while True:
                await asyncio.sleep(CHECK_S)
                is_connected = self._silence_s() < LOST_AFTER_S
                if is_connected is not self._was_connected:
                    self._was_connected = is_connected
                    self._on_change()
        raise AssertionError("its tasks run for ever")

    async def _ping(self) -> Never:
        while True:
            if self._silence_s() >= PING_AFTER_S:
                try:
                    await self._venue.clock()
                except VenueError as error:
                    self._failure = str(error)
                else:
                    self._failure = ""
            await asyncio.sleep(CHECK_S)

    def _silence_s(self) -> float:
        return self._attention.silence_s(self._started_s if self._heard_s is None else self._heard_s)

    def _detail(self, last_message_time: int) -> str:
        since = datetime.fromtimestamp(last_message_time / SECOND_NS, UTC).strftime("since %H:%M:%S UTC")
        heard = f"nothing was heard {since if last_message_time else 'yet'}"
        return f"{heard} ({self._failure})" if self._failure else heard
