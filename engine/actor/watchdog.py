"""Watchdog of a symbol's market: silence of the feed, and subjects that confirm the state."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from bus import Bus
from engine.actor.account import Account, LiveAccount, SettledAccount
from schemas import subjects
from schemas.engine.journal import TimePassed
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument

SILENCE_S: float = 1.0
"""Seconds without a tick until TimePassed is due, and between repeats while the silence lasts."""


class Watchdog(Protocol):
    """Observes the market of one symbol, live or recorded."""

    is_recorded: bool
    """The market is a recording: silence has no meaning, and no open orders remain at a venue."""

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        """Return the subjects on MARKET of the feed's state."""

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        """Return the subjects on ACCOUNT of the venue's position, which is compared at every sweep."""

    def account(self, bus: Bus, instrument: Instrument) -> Account:
        """Return the source of the account's state before the first order."""

    def limits_subjects(self, venue: VenueId) -> tuple[str, ...]:
        """Return the subjects on JOURNAL of the portfolio's limits."""

    def tick(self, market_time: TimeNs) -> None:
        """Record a tick, in nanoseconds of the market's time."""

    async def next_silence(self) -> TimePassed:
        """Return the market's time once there was no tick for a while."""


class LiveWatchdog:
    """Measures silence by the local clock; the market's time continues from the newest tick."""

    is_recorded = False

    def __init__(
        self,
        *,
        silence_s: float = SILENCE_S,
        clock: Callable[[], int] = time.monotonic_ns,
        lock_step: bool = False,
    ) -> None:
        self._lock_step = lock_step
        self._silence_s = silence_s
        self._clock = clock
        self._market_time: TimeNs = 0
        self._tick_clock = clock()
        self._reported = 0

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return (subjects.feed(venue, symbol),)

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return (subjects.position(venue, symbol),)

    def account(self, bus: Bus, instrument: Instrument) -> Account:
        return SettledAccount(bus, instrument) if self._lock_step else LiveAccount(bus, instrument)

    def limits_subjects(self, venue: VenueId) -> tuple[str, ...]:
        return (subjects.limits(venue),)

    def tick(self, market_time: TimeNs) -> None:
        self._market_time = market_time
        self._tick_clock = self._clock()
        self._reported = 0

    async def next_silence(self) -> TimePassed:
        while True:
            due_ns = int((self._reported + 1) * self._silence_s * SECOND_NS)
            left_ns = due_ns - (self._clock() - self._tick_clock)
            if left_ns <= 0 and self._market_time:
                self._reported += 1
                return TimePassed(time=self._market_time + self._clock() - self._tick_clock)
            await asyncio.sleep(max(left_ns / SECOND_NS, 0) if self._market_time else self._silence_s)


class RecordedWatchdog:
    """Reports nothing: a recording may be silent, and nothing else trades beside it."""

    is_recorded = True

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return ()

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return ()

    def account(self, bus: Bus, instrument: Instrument) -> Account:
        return SettledAccount(bus, instrument)

    def limits_subjects(self, venue: VenueId) -> tuple[str, ...]:
        return ()

    def tick(self, market_time: TimeNs) -> None:
        pass

    async def next_silence(self) -> TimePassed:
        never: asyncio.Future[TimePassed] = asyncio.get_running_loop().create_future()
        return await never
