"""Pacing of the simulated market: by the clock, or one tick per `proceed`."""

import asyncio

from bus import Logger
from producers.simulated.server.streams import Streams, disconnect_all
from producers.simulated.server.venue import Venue
from producers.simulated.wire import MarketFrame
from schemas.units import SECOND_NS, DurationNs

MAX_LAG_S = 1.0
"""Ticks that are due for longer than this are dropped instead of caught up with."""
MAX_STEP_NS: DurationNs = 60 * SECOND_NS
"""Upper bound of the market time between two ticks, so that a gap in a recording does not stall the market."""


class Pacer:
    """Advances the venue's market and publishes each tick."""

    def __init__(self, venue: Venue, streams: Streams, log: Logger) -> None:
        self._venue = venue
        self._streams = streams
        self._log = log
        self.ticks = 0
        """Number of ticks since the start of the process."""
        self.last_frame: MarketFrame | None = None
        self.is_halted = False
        """The clock makes no ticks; orders are still accepted and canceled."""

    async def run(self) -> None:
        """Tick by the clock until the market ends; return at once in lock-step, where `proceed` makes the ticks."""
        speed = self._venue.settings.speed
        if speed == "max":
            return
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._venue.has_ended:
            due += self._tick_interval() / speed / SECOND_NS
            if due < loop.time() - MAX_LAG_S:
                # The process was suspended or the speed is too high. Do not catch up.
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not self.is_halted:
                self._tick()

    def proceed(self, tick: int) -> None:
        """Make the next tick of a lock-step market if `tick` is the last one made and the market has not ended."""
        venue = self._venue
        if venue.settings.is_lock_step and tick == venue.cursor.tick and not venue.has_ended:
            self._tick()

    def _tick(self) -> None:
        frame = self._venue.tick()
        self.ticks += 1
        self.last_frame = frame
        if self._venue.maintenance_left_s() is not None:
            disconnect_all(self._streams.market)
            disconnect_all(self._streams.account)
        self._streams.publish_market(frame)
        if frame.is_last:
            self._log.info("market_ended", tick=frame.tick)

    def _tick_interval(self) -> DurationNs:
        venue = self._venue
        if venue.settings.recording is None:
            return venue.settings.tick_interval
        tick, tape = venue.cursor.tick, venue.tape
        return min(tape.time(tick + 1, 0) - tape.time(tick, 0), MAX_STEP_NS)
