"""How fast the market goes: by the clock, or a tick for each `proceed`."""

import asyncio

from bus import Logger
from producers.simulated.server.streams import Streams
from producers.simulated.server.venue import Venue
from producers.simulated.wire import MarketFrame
from schemas.units import SECOND_NS, DurationNs

LONGEST_STEP_NS: DurationNs = 60 * SECOND_NS
"""A recording's gap is not waited for any longer than this."""


class Pacer:
    """Moves the venue's market on and tells everybody."""

    def __init__(self, venue: Venue, streams: Streams, log: Logger) -> None:
        self._venue = venue
        self._streams = streams
        self._log = log
        self.ticks = 0
        """Since the process started."""
        self.newest: MarketFrame | None = None
        self.is_halted = False
        """Orders are taken and canceled, and the price stands still."""

    async def run(self) -> None:
        """Tick by the clock until the market ends; in lock-step ticks come from `proceed` instead."""
        speed = self._venue.settings.speed
        if speed == "max":
            return
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._venue.has_ended:
            due += self._step() / speed / SECOND_NS
            if due < loop.time() - 1.0:
                # Behind by more than hurrying makes up for: the process was stopped, or the speed is too high.
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not self.is_halted:
                self._tick()

    def proceed(self, tick: int) -> None:
        """Make the next tick of a lock-step market, if `tick` is the newest and there is a next one."""
        venue = self._venue
        if venue.settings.is_lock_step and tick == venue.cursor.tick and not venue.has_ended:
            self._tick()

    def _tick(self) -> None:
        frame = self._venue.tick()
        self.ticks += 1
        self.newest = frame
        self._streams.tell_market(frame)
        if frame.is_last:
            self._log.info("market_ended", tick=frame.tick)

    def _step(self) -> DurationNs:
        venue = self._venue
        if venue.settings.recording is None:
            return venue.settings.tick_interval
        at, tape = venue.cursor.tick, venue.tape
        return min(tape.time(at + 1, 0) - tape.time(at, 0), LONGEST_STEP_NS)
