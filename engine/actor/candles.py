"""The candles that a grid watches, of its monitor's symbols and its own: the history, then each as it forms and closes."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from bus import Bus, FromSequence, LatestValues, Received, forever, get_logger, read
from engine.core.quoting import volatility
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.grid.settings import GridSettings
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.market import Candle

Put = Callable[[Candle], None]
_log = get_logger("engine")

CandlesOf = Callable[[Bus, VenueId, Symbol, GridSettings], "Candles"]


class Candles(Protocol):
    """Candles of the monitored symbols, and closed ones of the own symbol where something depends on them."""

    async def load(self) -> None:
        """Read the history."""

    async def before(self, time: TimeNs) -> Sequence[Candle]:
        """Return what has to be heard before a tick of this time."""

    async def follow(self, put: Put) -> None:
        """Hand on what comes by itself, for ever."""


class LiveCandles:
    """History before the first tick, then closed and forming candles as they come."""

    def __init__(self, bus: Bus, venue: VenueId, symbol: Symbol, settings: GridSettings) -> None:
        self._bus = bus
        self._closed = _Closed(bus, venue, symbol, settings)
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
        # At the first start of all, the history may have come after the engine.
        history, self._history = [*self._history, *await self._closed.take()], ()
        self._first_tick.set()
        return history

    async def follow(self, put: Put) -> None:
        if not self._closed.filters:
            await _for_ever()
        # Before its first tick a new grid hears nothing.
        await self._first_tick.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("closed candles", self._closed.follow(put)), name="closed candles")
            if not self._forming:
                return
            async with LatestValues(self._bus, Stream.MARKET, self._forming) as levels:
                async for message in levels:
                    _put(message, put)


class RecordedCandles:
    """Closed candles from before a tick, handed out with it, so that a run does not depend on the machine."""

    def __init__(self, bus: Bus, venue: VenueId, symbol: Symbol, settings: GridSettings) -> None:
        self._closed = _Closed(bus, venue, symbol, settings)
        self._waiting: list[Candle] = []

    async def load(self) -> None:
        self._waiting = await self._closed.take()

    async def before(self, time: TimeNs) -> Sequence[Candle]:
        # Those of the tick's own time may not all be there yet.
        self._waiting += await self._closed.take()
        due = [candle for candle in self._waiting if candle.time < time]
        self._waiting = [candle for candle in self._waiting if candle.time >= time]
        return due

    async def follow(self, put: Put) -> None:
        await _for_ever()


class _Closed:
    """Closed candles from CANDLES, each once; of the history no more than the longest window."""

    def __init__(self, bus: Bus, venue: VenueId, symbol: Symbol, settings: GridSettings) -> None:
        self._bus = bus
        watched = [(each, settings.monitor_interval) for each in settings.monitor_symbols]
        self._window = settings.average_window
        if volatility.is_watched(settings):
            watched.append((symbol, settings.volatility_interval))
            self._window = max(self._window, settings.atr_window + 1)
        # A symbol may be watched twice by the same candles.
        self.filters = tuple(dict.fromkeys(subjects.closed_candle(venue, *each) for each in watched))
        self._through = 0

    async def take(self) -> list[Candle]:
        if not self.filters or await self._bus.last_sequence(Stream.CANDLES) <= self._through:
            return []
        found: dict[str, deque[Candle]] = {}
        newest = FromSequence(self._through + 1)
        async with aclosing(read(self._bus, Stream.CANDLES, self.filters, newest)) as batches:
            async for batch in batches:
                for message in batch.messages:
                    self._through = message.sequence
                    _put(message, found.setdefault(message.subject, deque(maxlen=self._window)).append)
                if batch.caught_up:
                    break
        return [candle for subject in self.filters for candle in found.get(subject, ())]

    async def follow(self, put: Put) -> None:
        newest = FromSequence(self._through + 1)
        async with aclosing(read(self._bus, Stream.CANDLES, self.filters, newest)) as batches:
            async for batch in batches:
                for message in batch.messages:
                    _put(message, put)


def _put(message: Received, put: Put) -> None:
    try:
        put(decode_as(message.data, Candle))
    except UndecodableError as error:
        _log.error("undecodable", subject=message.subject, sequence=message.sequence, detail=str(error))


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
