"""Candles of monitored symbols and the own symbol: history, then forming and closed ones."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from bus import Bus, FromSequence, LatestValues, Received, decode_or_log, forever, get_logger, read
from engine.core.quoting import volatility
from schemas import subjects
from schemas.grid.settings import GridSettings
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.market import Candle

PutCandle = Callable[[Candle], None]
_log = get_logger("engine")

CandlesOf = Callable[[Bus, VenueId, Symbol, GridSettings], "Candles"]


class Candles(Protocol):
    """Candles of the monitored symbols; closed ones of the own symbol if the settings depend on them."""

    async def load(self) -> None:
        """Read the history."""

    async def before(self, time: TimeNs) -> Sequence[Candle]:
        """Return the candles to apply before a tick of this time, in nanoseconds of the market's time."""

    async def follow(self, put: PutCandle) -> None:
        """Pass on the candles that do not depend on a tick, for ever."""


class LiveCandles:
    """History before the first tick, then closed and forming candles as they come."""

    def __init__(self, bus: Bus, venue: VenueId, symbol: Symbol, settings: GridSettings) -> None:
        self._bus = bus
        self._closed = _ClosedCandles(bus, venue, symbol, settings)
        self._forming = tuple(
            subjects.live_candle(venue, symbol, settings.monitor_interval)
            for symbol in settings.monitor_symbols
        )
        self._history: Sequence[Candle] = ()
        self._first_tick = asyncio.Event()

    async def load(self) -> None:
        self._history = await self._closed.take()

    async def before(self, time: TimeNs) -> Sequence[Candle]:
        if self._first_tick.is_set():
            return ()
        # At the very first start the history may be published after `load`.
        history, self._history = [*self._history, *await self._closed.take()], ()
        self._first_tick.set()
        return history

    async def follow(self, put: PutCandle) -> None:
        if not self._closed.filters:
            await _wait_forever()
        # A new grid has no state to apply candles to before its first tick.
        await self._first_tick.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("closed candles", self._closed.follow(put)), name="closed candles")
            if not self._forming:
                return
            async with LatestValues(self._bus, Stream.MARKET, self._forming) as forming:
                async for message in forming:
                    _put(message, put)


class RecordedCandles:
    """Closed candles from before a tick, delivered with it, so that a run does not depend on the machine."""

    def __init__(self, bus: Bus, venue: VenueId, symbol: Symbol, settings: GridSettings) -> None:
        self._closed = _ClosedCandles(bus, venue, symbol, settings)
        self._waiting: list[Candle] = []

    async def load(self) -> None:
        self._waiting = await self._closed.take()

    async def before(self, time: TimeNs) -> Sequence[Candle]:
        # Candles of the tick's own time may not all be stored yet.
        self._waiting += await self._closed.take()
        due = [candle for candle in self._waiting if candle.time < time]
        self._waiting = [candle for candle in self._waiting if candle.time >= time]
        return due

    async def follow(self, put: PutCandle) -> None:
        await _wait_forever()


class _ClosedCandles:
    """Closed candles of CANDLES, each once; of the history no more than the longest window."""

    def __init__(self, bus: Bus, venue: VenueId, symbol: Symbol, settings: GridSettings) -> None:
        self._bus = bus
        required = [(each, settings.monitor_interval) for each in settings.monitor_symbols]
        self._window = settings.average_window
        if volatility.is_watched(settings):
            required.append((symbol, settings.volatility_interval))
            self._window = max(self._window, settings.atr_window + 1)
        # One symbol and interval may be required twice.
        self.filters = tuple(dict.fromkeys(subjects.closed_candle(venue, *each) for each in required))
        self._read_through = 0

    async def take(self) -> list[Candle]:
        if not self.filters or await self._bus.last_sequence(Stream.CANDLES) <= self._read_through:
            return []
        # By opening time: after a loss the stream may have older candles behind newer ones.
        found: dict[str, dict[TimeNs, Candle]] = {}
        start = FromSequence(self._read_through + 1)
        async with aclosing(read(self._bus, Stream.CANDLES, self.filters, start)) as batches:
            async for batch in batches:
                for message in batch.messages:
                    self._read_through = message.sequence
                    candle = decode_or_log(message, Candle, _log)
                    if candle is not None:
                        found.setdefault(message.subject, {})[candle.open_time] = candle
                if batch.caught_up:
                    break
        return [each for subject in self.filters for each in _newest(found.get(subject, {}), self._window)]

    async def follow(self, put: PutCandle) -> None:
        start = FromSequence(self._read_through + 1)
        async with aclosing(read(self._bus, Stream.CANDLES, self.filters, start)) as batches:
            async for batch in batches:
                for message in batch.messages:
                    _put(message, put)


def _newest(candles: dict[TimeNs, Candle], count: int) -> list[Candle]:
    return [candles[time] for time in sorted(candles)[-count:]]


def _put(message: Received, put: PutCandle) -> None:
    candle = decode_or_log(message, Candle, _log)
    if candle is not None:
        put(candle)


async def _wait_forever() -> None:
    await asyncio.get_running_loop().create_future()
