"""Latency of the venue's responses to orders, published for the portfolio's latency guard."""

import asyncio
from collections import deque

from bus.runtime import time_ns
from producers.retry import Outbox
from schemas import subjects
from schemas.engine.portfolio import OrderLatency
from schemas.units import SECOND_NS, DurationNs, TimeNs, VenueId

PUBLISH_INTERVAL_S = 1.0
WINDOW_NS = 60 * SECOND_NS
MAX_SAMPLES = 1000


class OrderLatencies:
    """The venue's response times to placements within the last `WINDOW_NS`, at most the newest `MAX_SAMPLES`."""

    def __init__(self, venue: VenueId, outbox: Outbox) -> None:
        self._venue = venue
        self._outbox = outbox
        self._samples: deque[tuple[TimeNs, DurationNs]] = deque(maxlen=MAX_SAMPLES)
        self._has_new = asyncio.Event()

    def observe(self, latency_ns: DurationNs) -> None:
        """Record the time until a response, or until a wait that ended without one."""
        self._samples.append((time_ns(), latency_ns))
        self._has_new.set()

    async def run(self) -> None:
        """Publish the latencies whenever there are new ones, at most once a second; for ever."""
        while True:
            await self._has_new.wait()
            self._has_new.clear()
            await self._outbox.store(subjects.order_latency(self._venue), self._summary(time_ns()))
            await asyncio.sleep(PUBLISH_INTERVAL_S)

    def _summary(self, now: TimeNs) -> OrderLatency:
        latencies = sorted(latency for at, latency in self._samples if at > now - WINDOW_NS) or [0]
        return OrderLatency(
            venue=self._venue,
            p50=latencies[len(latencies) // 2],
            p99=latencies[len(latencies) * 99 // 100],
            count=len(latencies),
            time=now,
        )
