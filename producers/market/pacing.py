"""Pace of the market: in real time, or in lock-step with all processes that act on it.

In lock-step an update passes when engine, gateway and account publisher have nothing left to do:

    account events up to the update  ->  engine books them  ->  gateway sends the decisions  ->  account events ...
    and when nothing is left, the ticker  ->  engine  ->  gateway  ->  account events ...  ->  the next update

so decisions and their order do not depend on the machine's speed.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from bus import Attention, Bus, Logger, grant_step
from bus.runtime import time_ns
from producers.ports import MarketUpdate, PacedSource
from producers.retry import Outbox, last_stored, retry
from schemas import subjects
from schemas.codec import encode
from schemas.subjects import Stream
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

STEP_TIMEOUT_S = 120.0
"""Seconds that a process may take for one grant, including a restart, before a lock-step run fails."""


CATCH_UP_S = 1.0
"""Seconds after a pause of this process in which ticks that arrived during the pause are read."""


class Pace(Protocol):
    """Controls when updates of the market reach the bus."""

    is_real_time: bool
    """Whether the market's time is that of the clocks."""

    async def before(self, update: MarketUpdate) -> None:
        """Wait until the update may be published."""

    async def ticker(self, subject: str, ticker: Ticker) -> None:
        """Publish a ticker."""

    async def after(self, update: MarketUpdate) -> None:
        """Wait until the published update is processed; in real time without waiting."""


class RealTime:
    """Publishes at once, without waiting for other processes."""

    is_real_time = True

    def __init__(self, bus: Bus, attention: Attention) -> None:
        self._bus = bus
        self._attention = attention

    async def before(self, update: MarketUpdate) -> None:
        pass

    async def ticker(self, subject: str, ticker: Ticker) -> None:
        # Just after a pause of this process, the time at which a tick arrived is unknown.
        is_punctual = self._attention.since_pause_s() >= CATCH_UP_S
        received = msgspec.structs.replace(ticker, received_time=time_ns() if is_punctual else 0)
        await self._bus.publish(subject, encode(received))

    async def after(self, update: MarketUpdate) -> None:
        pass


class LockStepPace:
    """Lock-step: lets an update pass when engine, gateway and account publisher have processed the previous one."""

    is_real_time = False

    def __init__(
        self,
        bus: Bus,
        outbox: Outbox,
        source: PacedSource,
        venue: VenueId,
        symbols: Sequence[Symbol],
        log: Logger,
    ) -> None:
        self._bus = bus
        self._outbox = outbox
        self._log = log
        self._source = source
        self._venue = venue
        self._account_done = -1
        self._acted_on = dict.fromkeys(symbols, 0)
        self._has_acted = False
        self._tickers_in_process: dict[Symbol, Ticker] = {}

    async def before(self, update: MarketUpdate) -> None:
        await self._process_account_events(update.account_sequence)

    async def ticker(self, subject: str, ticker: Ticker) -> None:
        await self._outbox.store(subject, ticker)
        self._tickers_in_process[ticker.symbol] = ticker

    async def after(self, update: MarketUpdate) -> None:
        for symbol, ticker in self._tickers_in_process.items():
            await self._act(symbol, await self._grant(f"engine.{self._key(symbol)}.ticker", ticker.time))
        self._tickers_in_process.clear()
        if self._has_acted:
            await self._process_account_events(await retry(self._source.account_sequence, self._log))
        if not update.is_last:
            await self._source.proceed()

    async def _process_account_events(self, account_sequence: int) -> None:
        while account_sequence > self._account_done or self._has_acted:
            self._has_acted = False
            await self._grant(f"account.{self._venue}", account_sequence)
            self._account_done = account_sequence
            for symbol in self._acted_on:
                last = await self._last_order_event(symbol)
                await self._act(symbol, await self._grant(f"engine.{self._key(symbol)}.orders", last))
            account_sequence = await retry(self._source.account_sequence, self._log)

    async def _act(self, symbol: Symbol, step_sequence: int) -> None:
        if step_sequence > self._acted_on[symbol]:
            await self._grant(f"gateway.{self._key(symbol)}", step_sequence)
            self._acted_on[symbol] = step_sequence
            self._has_acted = True

    async def _grant(self, gate: str, until: int) -> int:
        return await grant_step(self._bus, gate, until, timeout_s=STEP_TIMEOUT_S)

    def _key(self, symbol: Symbol) -> str:
        return subjects.registry_key(self._venue, symbol)

    async def _last_order_event(self, symbol: Symbol) -> int:
        order_subjects = subjects.own_order_events(self._venue, symbol)
        last = await asyncio.gather(
            *(last_stored(self._bus, Stream.ORDERS, subject, self._log) for subject in order_subjects)
        )
        return max((message.sequence for message in last if message is not None), default=0)
