"""What tells an actor that it cannot rely on what it knows: the feed's own word, silence, the venue's position."""

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

SILENCE: float = 1.0
"""Seconds without a tick until time is told; it is told again as often while the silence lasts."""


class Watch(Protocol):
    """Watches over one symbol's market."""

    is_recorded: bool
    """Nobody is there to be late, to be asked, or to be left with open orders."""

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        """Return where on MARKET the feed gives its own word."""

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        """Return where on ACCOUNT the venue's position is, to be compared with every sweep."""

    def account(self, bus: Bus, instrument: Instrument) -> Account:
        """Return where the account is looked up before the first order."""

    def limits_subjects(self, venue: VenueId) -> tuple[str, ...]:
        """Return where on JOURNAL it is told what all symbols together may do."""

    def tick(self, market_time: TimeNs) -> None:
        """Take note that there was a tick."""

    async def silence(self) -> TimePassed:
        """Return the market's time once there was no tick for a while."""


class LiveWatch:
    """Measures silence by this machine's clock; the market's time goes on from the newest tick's."""

    is_recorded = False

    def __init__(
        self,
        *,
        every_s: float = SILENCE,
        clock: Callable[[], int] = time.monotonic_ns,
        lock_step: bool = False,
    ) -> None:
        self._lock_step = lock_step
        self._every_s = every_s
        self._clock = clock
        self._market_time: TimeNs = 0
        self._read_at = clock()
        self._told = 0

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
        self._read_at = self._clock()
        self._told = 0

    async def silence(self) -> TimePassed:
        while True:
            wanted_ns = int((self._told + 1) * self._every_s * SECOND_NS)
            left_ns = wanted_ns - (self._clock() - self._read_at)
            if left_ns <= 0 and self._market_time:
                self._told += 1
                return TimePassed(time=self._market_time + self._clock() - self._read_at)
            await asyncio.sleep(max(left_ns / SECOND_NS, 0) if self._market_time else self._every_s)


class RecordedWatch:
    """A recording's silence and gaps are nobody's fault, and nobody else trades beside it: nothing is ever told."""

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

    async def silence(self) -> TimePassed:
        never: asyncio.Future[TimePassed] = asyncio.get_running_loop().create_future()
        return await never
