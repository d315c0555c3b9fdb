"""An actor's inputs: what counts each once and in order, and levels of which only the newest counts."""

import asyncio
from collections import deque
from typing import NamedTuple

from schemas.engine.journal import EngineStopping, Input, StreamOffset, TimePassed
from schemas.engine.portfolio import PortfolioLimits
from schemas.subjects import Stream
from schemas.venue.account import OpenOrders
from schemas.venue.market import Candle, FeedChanged, Ticker

LIMIT = 2000
"""Exact inputs that may wait; a reader that is ahead of the actor waits too."""

Level = Candle | Ticker | FeedChanged | TimePassed | PortfolioLimits | EngineStopping
"""What the newest of its kind replaces; of candles the forming one of a symbol."""

LEVELS: tuple[type[Level], ...] = (
    EngineStopping,
    PortfolioLimits,
    Candle,
    Ticker,
    FeedChanged,
    TimePassed,
)
"""In the order that they are handed out: word that the feed is lost comes after the tick it came after."""


class DurableInput(NamedTuple):
    """An exact input and where it was read; `event` is None for a message that did not decode."""

    stream: Stream
    offset: StreamOffset
    event: Input | None


class Inbox:
    """Hands an actor its inputs: exact ones first, then a sweep that is due, then the newest of each level."""

    def __init__(self, orders_sequence: int) -> None:
        self._exact: deque[DurableInput] = deque()
        self._levels: dict[type[Level], dict[object, Level]] = {kind: {} for kind in LEVELS}
        self._sweep: OpenOrders | None = None
        self._orders_sequence = orders_sequence
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, heard: DurableInput) -> None:
        """Add an exact input, waiting while there are too many."""
        await self._room.wait()
        self._exact.append(heard)
        if len(self._exact) >= LIMIT:
            self._room.clear()
        self._filled.set()

    def put_level(self, level: Level) -> None:
        """Replace the one of its kind that waits."""
        self._levels[type(level)][_key(level)] = level
        self._filled.set()

    def put_sweep(self, sweep: OpenOrders) -> None:
        """Replace the sweep that waits. It is handed out when the orders it includes were."""
        self._sweep = sweep
        self._filled.set()

    async def next(self) -> DurableInput | Level | OpenOrders:
        """Return the next input, waiting for one."""
        while True:
            if self._exact:
                return self._next_exact()
            if self._sweep is not None and self._sweep.includes <= self._orders_sequence:
                sweep, self._sweep = self._sweep, None
                return sweep
            for kind in LEVELS:
                if waiting := self._levels[kind]:
                    return waiting.pop(next(iter(waiting)))
            self._filled.clear()
            await self._filled.wait()

    def _next_exact(self) -> DurableInput:
        heard = self._exact.popleft()
        if heard.stream is Stream.ORDERS:
            self._orders_sequence = heard.offset.sequence
        if len(self._exact) < LIMIT // 2:
            self._room.set()
        return heard


def _key(level: Level) -> object:
    if isinstance(level, Candle):
        return level.symbol, level.interval, level.closed and level.open_time
    return None
