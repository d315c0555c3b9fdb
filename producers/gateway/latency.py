"""How long the venue takes to answer orders, told as a level that the portfolio judges."""

import asyncio
import time
from collections import deque

from producers.outbox import Outbox
from schemas import subjects
from schemas.engine.portfolio import OrderLatency
from schemas.units import SECOND_NS, DurationNs, TimeNs, VenueId

EVERY_S = 1.0
WINDOW_NS = 60 * SECOND_NS
KEPT = 1000


class Latencies:
    """The newest answers of one venue."""

    def __init__(self, venue: VenueId, outbox: Outbox) -> None:
        self._venue = venue
        self._outbox = outbox
        self._answers: deque[tuple[TimeNs, DurationNs]] = deque(maxlen=KEPT)
        self._has_news = asyncio.Event()

    def observe(self, took: DurationNs) -> None:
        """Take note of an answer, or of a wait that ended without one."""
        self._answers.append((time.time_ns(), took))
        self._has_news.set()

    async def tell(self) -> None:
        """Publish what the newest answers took, now and then; for ever."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            await self._outbox.store(subjects.order_latency(self._venue), self._level(time.time_ns()))
            await asyncio.sleep(EVERY_S)

    def _level(self, now: TimeNs) -> OrderLatency:
        took = sorted(took for at, took in self._answers if at > now - WINDOW_NS) or [0]
        return OrderLatency(
            venue=self._venue,
            p50=took[len(took) // 2],
            p99=took[len(took) * 99 // 100],
            count=len(took),
            time=now,
        )
