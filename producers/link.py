"""The connection to a venue, judged by its signs of life: frames, answers, and pings while it is quiet."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Never

from bus import Attention
from bus.runtime import background_s, monotonic_s, time_ns
from producers.ports import Venue, VenueError
from schemas.parts import VenueLink
from schemas.units import SECOND_NS, VenueId

CHECK_S = 0.25
PING_AFTER_S = 1.0
"""A venue that sent nothing for this time is asked for its clock."""
LOST_AFTER_S = 2.5
"""A venue that sent nothing for this time, in spite of pings, is not connected."""


class LinkMonitor:
    """Watches the connection of this process to one venue. A quiet market is no loss: pings are answered."""

    def __init__(
        self,
        venue: Venue,
        venue_id: VenueId,
        attention: Attention,
        *,
        on_change: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """`on_change` is called when the connection is lost or returns."""
        self._venue = venue
        self._venue_id = venue_id
        self._attention = attention
        self._on_change = on_change
        self._clock = clock
        self._received_s: float | None = None
        self._received_time = 0
        self._started_s = clock()
        self._failure = ""
        self._was_connected = True
        venue.on_received = self.on_received

    def on_received(self) -> None:
        """Record a sign of life of the venue."""
        self._received_s, self._received_time = self._clock(), time_ns()

    def link(self) -> VenueLink:
        """Return the state of the connection now."""
        last_message_time = self._received_time
        is_connected = self._silence_s() < background_s(LOST_AFTER_S)
        return VenueLink(
            venue=self._venue_id,
            connected=is_connected,
            detail="" if is_connected else self._detail(last_message_time),
            url=self._venue.url,
            last_message_time=last_message_time,
        )

    async def run(self) -> Never:
        """Ping the venue while it sends nothing else; for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ping(), name="ping")
            while True:
                await asyncio.sleep(background_s(CHECK_S))
                is_connected = self._silence_s() < background_s(LOST_AFTER_S)
                if is_connected is not self._was_connected:
                    self._was_connected = is_connected
                    self._on_change()
        raise AssertionError("its tasks run for ever")

    async def _ping(self) -> Never:
        while True:
            if self._silence_s() >= background_s(PING_AFTER_S):
                try:
                    await self._venue.clock()
                except VenueError as error:
                    self._failure = str(error)
                else:
                    self._failure = ""
            await asyncio.sleep(background_s(CHECK_S))

    def _silence_s(self) -> float:
        return self._attention.silence_s(self._started_s if self._received_s is None else self._received_s)

    def _detail(self, last_message_time: int) -> str:
        since = datetime.fromtimestamp(last_message_time / SECOND_NS, UTC).strftime("since %H:%M:%S UTC")
        silence = f"nothing was received {since if last_message_time else 'yet'}"
        return f"{silence} ({self._failure})" if self._failure else silence
