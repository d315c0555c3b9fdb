"""How fast the market is let through: as it comes, or in lock-step with everyone who acts on it.

In lock-step one update is let through when engine, gateway and account publisher have nothing left to do:

    account events up to the update  ->  engine books them  ->  gateway sends what was decided  ->  account events ...
    and when nothing moves any more, the ticker  ->  engine  ->  gateway  ->  account events ...  ->  the next update

so what is decided, and in which order, does not depend on how fast the machine is.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from bus import Bus, Logger, grant_step
from producers.outbox import Outbox
from producers.ports import MarketUpdate, PacedSource
from producers.retry import last_stored, persist
from schemas import subjects
from schemas.codec import encode
from schemas.subjects import Stream
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

PATIENCE_S = 120.0
"""How long a part may be away, restarting, before a lock-step run is given up."""


class Pace(Protocol):
    """What stands between the venue's market and the bus."""

    async def before(self, update: MarketUpdate) -> None: ...

    async def ticker(self, subject: str, ticker: Ticker) -> None: ...

    async def after(self, update: MarketUpdate) -> None: ...


class RealTime:
    """Publishes at once and waits for nobody."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def before(self, update: MarketUpdate) -> None:
        pass

    async def ticker(self, subject: str, ticker: Ticker) -> None:
        received = msgspec.structs.replace(ticker, received_time=time.time_ns())
        await self._bus.publish(subject, encode(received))

    async def after(self, update: MarketUpdate) -> None:
        pass


class LockStepPace:
    """Lets an update through when all that the one before led to is done."""

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
        self._unsettled: dict[Symbol, Ticker] = {}

    async def before(self, update: MarketUpdate) -> None:
        await self._settle(update.account_sequence)

    async def ticker(self, subject: str, ticker: Ticker) -> None:
        await self._outbox.store(subject, ticker)
        self._unsettled[ticker.symbol] = ticker

    async def after(self, update: MarketUpdate) -> None:
        for symbol, ticker in self._unsettled.items():
            await self._act(symbol, await self._turn(f"engine.{self._key(symbol)}.ticker", ticker.time))
        self._unsettled.clear()
        if self._has_acted:
            await self._settle(await persist(self._source.account_sequence, self._log))
        if not update.is_last:
            await self._source.proceed()

    async def _settle(self, account_sequence: int) -> None:
        while account_sequence > self._account_done or self._has_acted:
            self._has_acted = False
            await self._turn(f"account.{self._venue}", account_sequence)
            self._account_done = account_sequence
            for symbol in self._acted_on:
                heard = await self._last_order_event(symbol)
                await self._act(symbol, await self._turn(f"engine.{self._key(symbol)}.orders", heard))
            account_sequence = await persist(self._source.account_sequence, self._log)

    async def _act(self, symbol: Symbol, step_sequence: int) -> None:
        if step_sequence > self._acted_on[symbol]:
            await self._turn(f"gateway.{self._key(symbol)}", step_sequence)
            self._acted_on[symbol] = step_sequence
            self._has_acted = True

    async def _turn(self, who: str, until: int) -> int:
        return await grant_step(self._bus, who, until, timeout_s=PATIENCE_S)

    def _key(self, symbol: Symbol) -> str:
        return subjects.registry_key(self._venue, symbol)

    async def _last_order_event(self, symbol: Symbol) -> int:
        said = subjects.own_order_events(self._venue, symbol)
        last = await asyncio.gather(
            *(last_stored(self._bus, Stream.ORDERS, subject, self._log) for subject in said)
        )
        return max((message.sequence for message in last if message is not None), default=0)
