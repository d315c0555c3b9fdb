"""Market of a symbol, live or recorded: which inputs an actor follows, and the timer of the feed's silence."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from bus import Attention, Bus
from bus.runtime import monotonic_ns
from engine.actor.account import AccountSource, CompleteAccount, LiveAccount
from schemas import subjects
from schemas.engine.journal import TimePassed
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument

SILENCE_S: float = 1.0
"""Seconds from the last tick to the first TimePassed, and between further ones while the silence lasts."""


class SilenceTimer:
    """Measures by the local monotonic clock how long a live market has had no tick.

    After a pause of this process itself the measurement starts again: ticks of that time are still unread.
    """

    def __init__(
        self,
        attention: Attention,
        *,
        silence_s: float = SILENCE_S,
        clock_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._silence_s = silence_s
        self._clock_ns = clock_ns
        self._attention = attention
        self._market_time: TimeNs = 0
        self._last_tick_ns = clock_ns()  # monotonic
        self._report_count = 0  # since the last tick

    def on_tick(self, market_time: TimeNs) -> None:
        """Restart the timer at a tick; `market_time` is the tick's own time."""
        self._market_time = market_time
        self._last_tick_ns = self._clock_ns()
        self._report_count = 0

    async def next_silence(self) -> TimePassed:
        """Wait until the next multiple of `silence_s` after the last tick, and return the market time.

        The market time is that of the tick, continued by the local clock. Never returns before the first tick.
        """
        while True:
            due_ns = int((self._report_count + 1) * self._silence_s * SECOND_NS)
            remaining_ns = due_ns - self._silent_ns()
            if not self._market_time:
                await asyncio.sleep(self._silence_s)
            elif remaining_ns > 0:
                await asyncio.sleep(remaining_ns / SECOND_NS)
            else:
                self._report_count += 1
                return TimePassed(time=self._market_time + self._silent_ns())

    def _silent_ns(self) -> int:
        since_tick_ns = self._clock_ns() - self._last_tick_ns
        return int(min(since_tick_ns, self._attention.since_pause_s() * SECOND_NS))


class SymbolMarket(Protocol):
    """The market of one symbol as its actor follows it."""

    @property
    def is_recorded(self) -> bool:
        """The market is a recording: nothing is canceled at shutdown, and receive times are ignored.

        No sweep (query of open orders and trades) is requested at the start.
        """

    @property
    def follows_instrument(self) -> bool:
        """Changes of the instrument are applied while the symbol runs, not only at its start.

        False where a run must not depend on when the change arrives.
        """

    @property
    def holds_reports(self) -> bool:
        """Whether order reports that only change the state wait for the next step; not in lock-step."""

    @property
    def follows_balance(self) -> bool:
        """Whether changes of the balance are inputs after the start; not in lock-step, where their timing differs."""

    @property
    def silence(self) -> SilenceTimer | None:
        """The timer of the feed's silence; None for a recording, whose silence has no meaning."""

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        """Return the subjects on MARKET of the feed's state; empty for a recording."""

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        """Return the subjects on ACCOUNT of the venue's position, compared at each sweep; empty for a recording."""

    def account(self, bus: Bus, instrument: Instrument) -> AccountSource:
        """Return the source of the account's state before the first order."""

    def limits_subjects(self) -> tuple[str, ...]:
        """Return the subjects on JOURNAL of the portfolio's limits; empty for a recording."""


class LiveMarket:
    """A market that runs by itself: its silence, its feed, the venue's position and the portfolio's limits count.

    In lock-step (the venue waits for all processes after each tick) the account is complete before the first order, so
    that a run does not depend on which process starts first.
    """

    is_recorded = False

    def __init__(self, silence: SilenceTimer, *, lock_step: bool = False) -> None:
        self.silence = silence
        self.holds_reports = not lock_step
        self._lock_step = lock_step
        self.follows_instrument = not lock_step
        self.follows_balance = not lock_step

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return (subjects.feed(venue, symbol),)

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return (subjects.position(venue, symbol),)

    def account(self, bus: Bus, instrument: Instrument) -> AccountSource:
        return CompleteAccount(bus, instrument) if self._lock_step else LiveAccount(bus, instrument)

    def limits_subjects(self) -> tuple[str, ...]:
        return (subjects.limits(),)


class RecordedMarket:
    """A market replayed tick by tick. Inputs whose timing depends on the machine are not followed."""

    is_recorded = True
    follows_instrument = False
    follows_balance = False
    holds_reports = False
    silence = None

    def feed_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return ()

    def position_subjects(self, venue: VenueId, symbol: Symbol) -> tuple[str, ...]:
        return ()

    def account(self, bus: Bus, instrument: Instrument) -> AccountSource:
        return CompleteAccount(bus, instrument)

    def limits_subjects(self) -> tuple[str, ...]:
        return ()
