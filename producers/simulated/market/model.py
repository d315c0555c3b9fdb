"""Seeded market model: a random walk with drift, volatility regimes and jumps.

Every random number is a function of (seed, symbol, tick), so the path by tick number is reproducible, and its state is
the logarithm of the last price and the open candle.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import msgspec

from producers.simulated.draws import exponential, key_of, normal, uniform
from producers.simulated.listing import Quote
from producers.simulated.market.book import STRESS_DECAY, QuoteMaker
from producers.simulated.market.mark import MarkModel, MarkState
from producers.simulated.market.tape import CANDLE_INTERVAL, HISTORY_CANDLES, Progress, Tick
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import SECOND_NS, ZERO, DurationNs, Price, Quantity, Symbol, TimeNs
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Candle

MINUTE_NS: DurationNs = 60 * SECOND_NS
REGIME_MINUTES = 10.0
"""Distance of the points between which the logarithm of volatility is interpolated."""
REGIME_STRENGTH = 0.5
"""Standard deviation of the logarithm of volatility, relative to the configured volatility."""
JUMP_SIZE = 2.0
"""Standard deviation of a jump, in multiples of that of a one-minute return."""
MIN_DEVIATION = 1e-5
"""Lower bound of the standard deviation that moves are compared with."""
STEPS_PER_CANDLE = 4
"""Steps of the random walk per candle of the generated history."""


class PathState(msgspec.Struct, kw_only=True):
    """Stored state of one symbol's path."""

    symbol: Symbol
    log_price: float
    forming: Candle
    is_rising: bool | None = None
    """Whether the last tick was an uptick; None in stores of version 0.1, and at the start."""
    stress: float = 0.0
    """Size of the recent moves in standard deviations: the largest one, fading with each tick."""
    mark: MarkState | None = None
    """None where the mark price is the last price."""


class ScriptedTick(msgspec.Struct, frozen=True, kw_only=True):
    """One tick whose price is given instead of drawn."""

    price: Price
    volume: Quantity | None = None
    """Market volume of the tick; None: as drawn."""


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """Random walk of one symbol in steps of fixed length."""

    seed: int
    settings: SymbolSettings
    minutes: float
    """Length of a step."""
    name: str
    """Name of the random sequence: `live`, or `past` for the generated history."""

    def step(self, index: int) -> float:
        """Return the change of the log price in one step."""
        key = key_of(self.seed, self.settings.instrument.symbol, self.name)
        volatility = self.settings.volatility * self._regime(index)
        change = self.settings.drift * self.minutes / 1440
        change += normal(key, index, 0) * volatility * math.sqrt(self.minutes)
        if uniform(key, index, 1) < self.settings.jumps * self.minutes:
            change += normal(key, index, 2) * JUMP_SIZE * self.settings.volatility
        return change

    def _regime(self, index: int) -> float:
        offset = index * self.minutes / REGIME_MINUTES
        node = math.floor(offset)
        left, right = (
            _regime_node(self.seed, self.settings.instrument.symbol, self.name, n) for n in (node, node + 1)
        )
        return math.exp(REGIME_STRENGTH * (left + (right - left) * (offset - node)))


@lru_cache(maxsize=4096)
def _regime_node(seed: int, symbol: Symbol, name: str, node: int) -> float:
    return normal(key_of(seed, symbol, name, "spell"), node)


class ModelTape:
    """Tape of generated markets, one per symbol."""

    def __init__(self, settings: VenueSettings, created: TimeNs) -> None:
        self._settings = settings
        self._created = created
        self._symbols = {s.instrument.symbol: s for s in settings.symbols}
        self._walks = {
            symbol: RandomWalk(settings.seed, s, settings.tick_interval / MINUTE_NS, "live")
            for symbol, s in self._symbols.items()
        }
        self._quotes = {symbol: QuoteMaker(settings, s) for symbol, s in self._symbols.items()}
        self._marks = {
            symbol: MarkModel(settings.marks, settings.tick_interval, s.instrument.tick_size)
            for symbol, s in self._symbols.items()
            if s.instrument.kind is InstrumentKind.LINEAR_PERPETUAL
        }
        self._paths: dict[Symbol, PathState] = {}
        self._history: dict[Symbol, deque[Candle]] = {
            symbol: deque(maxlen=HISTORY_CANDLES) for symbol in self._symbols
        }
        self._script: dict[Symbol, deque[ScriptedTick]] = {symbol: deque() for symbol in self._symbols}
        self.last_tick = settings.ticks

    def script(self, symbol: Symbol, ticks: Iterable[ScriptedTick]) -> None:
        """Replace the next ticks of a symbol by scripted ones; the random walk continues from the last of them."""
        self._script[symbol].extend(ticks)

    def start(self, symbol: Symbol, time: TimeNs) -> list[Candle]:
        """Start the path of a new symbol at `time`; return its generated history of closed candles."""
        settings = self._symbols[symbol]
        open_time = time - time % MINUTE_NS
        ticks = MINUTE_NS / self._settings.tick_interval
        self._history[symbol].extend(_history(self._settings.seed, settings, open_time, ticks))
        first = _price(settings, math.log(settings.start_price))
        forming = _candle(settings.instrument, open_time, first, time)
        self._paths[symbol] = PathState(
            symbol=symbol, log_price=math.log(settings.start_price), forming=forming
        )
        return list(self._history[symbol])

    def resume(self, path: PathState, history: Iterable[Candle]) -> None:
        """Continue a symbol's path from its stored state and closed candles."""
        self._paths[path.symbol] = path
        self._history[path.symbol].extend(history)

    def paths(self) -> list[PathState]:
        """Return the states to store."""
        return list(self._paths.values())

    def time(self, tick: int, now: TimeNs) -> TimeNs:
        if self._settings.is_lock_step:
            return self._created + tick * self._settings.tick_interval
        return now

    def advance(self, tick: int, time: TimeNs) -> list[Tick]:
        return [self._advance_symbol(symbol, tick, time) for symbol in self._symbols]

    def snapshot(self, tick: int, time: TimeNs) -> list[Tick]:
        return [self._snapshot_of(symbol, tick) for symbol in self._symbols]

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle] | None:
        if interval != CANDLE_INTERVAL:
            return None
        return [*self._history[symbol], self._paths[symbol].forming][-limit:]

    def progress(self, tick: int) -> Progress | None:
        return Progress(tick, self.last_tick, "tick") if self.last_tick else None

    def _snapshot_of(self, symbol: Symbol, tick: int) -> Tick:
        path = self._paths[symbol]
        if path.is_rising is None:
            path.is_rising = tick > 0 and self._walks[symbol].step(tick) > 0
        return Tick(symbol, self._quote(path, tick), (path.forming,))

    def _advance_symbol(self, symbol: Symbol, tick: int, time: TimeNs) -> Tick:
        settings, path = self._symbols[symbol], self._paths[symbol]
        scripted = self._script[symbol].popleft() if self._script[symbol] else None
        change = math.log(scripted.price) - path.log_price if scripted else self._walks[symbol].step(tick)
        path.log_price += change
        path.is_rising = change > 0
        path.stress = max(path.stress * STRESS_DECAY, abs(change) / self._deviation(symbol))
        quote = self._quote(path, tick)
        model = self._marks.get(symbol)
        if model is not None and model.is_active:
            path.mark = model.advance(path.mark, quote)
            quote = model.with_mark(quote, path.mark)
        volume = _volume(self._settings.seed, settings, quote.last, tick)
        if scripted is not None and scripted.volume is not None:
            volume = settings.instrument.quantity_down(scripted.volume)
        closed = self._close_candles(path, time)
        path.forming = _with_trade(path.forming, quote.last, volume, time)
        return Tick(symbol, quote, (*closed, path.forming))

    def _quote(self, path: PathState, tick: int) -> Quote:
        settings = self._symbols[path.symbol]
        quote = self._quotes[path.symbol].quote(
            _price(settings, path.log_price), tick, is_rising=bool(path.is_rising), stress=path.stress
        )
        return quote if path.mark is None else self._marks[path.symbol].with_mark(quote, path.mark)

    def _deviation(self, symbol: Symbol) -> float:
        minutes = self._settings.tick_interval / MINUTE_NS
        return max(self._symbols[symbol].volatility * math.sqrt(minutes), MIN_DEVIATION)

    def _close_candles(self, path: PathState, time: TimeNs) -> list[Candle]:
        # After an outage too: the price is constant while the venue is down.
        closed: list[Candle] = []
        open_time = time - time % MINUTE_NS
        while path.forming.open_time < open_time:
            ended = path.forming.open_time + MINUTE_NS
            closed.append(msgspec.structs.replace(path.forming, closed=True, time=ended))
            next_open = max(ended, open_time - HISTORY_CANDLES * MINUTE_NS)
            path.forming = _empty_candle(path.forming, next_open)
        self._history[path.symbol].extend(closed)
        return closed


def _history(seed: int, settings: SymbolSettings, until: TimeNs, ticks: float) -> list[Candle]:
    """Return the closed candles before `until`; `ticks` is the number of ticks in one of them."""
    walk = RandomWalk(seed, settings, 1 / STEPS_PER_CANDLE, "past")
    logs = [0.0]
    for index in range(HISTORY_CANDLES * STEPS_PER_CANDLE):
        logs.append(logs[-1] + walk.step(index))
    shift = math.log(settings.start_price) - logs[-1]
    candles = []
    for i in range(HISTORY_CANDLES):
        points = logs[i * STEPS_PER_CANDLE : (i + 1) * STEPS_PER_CANDLE + 1]
        prices = [_price(settings, log + shift) for log in points]
        open_time = until - (HISTORY_CANDLES - i) * MINUTE_NS
        candle = _candle(settings.instrument, open_time, prices[0], open_time)
        for price in prices:
            candle = _with_trade(candle, price, ZERO, open_time)
        volume = _volume(seed, settings, prices[-1], i - HISTORY_CANDLES, ticks=ticks)
        candles.append(
            msgspec.structs.replace(candle, volume=volume, closed=True, time=open_time + MINUTE_NS)
        )
    return candles


def _price(settings: SymbolSettings, log_price: float) -> Price:
    tick = settings.instrument.tick_size
    ticks = max(round(math.exp(log_price) / float(tick)), settings.spread_ticks + 1)
    return (ticks * tick).quantize(tick)


def _volume(
    seed: int, settings: SymbolSettings, price: Price, tick: int, ticks: float | None = None
) -> Quantity:
    """Return the market volume of a tick; with `ticks`, that of as many together, drawn at once."""
    key = key_of(seed, settings.instrument.symbol, "volume")
    # A sum of many exponential draws is almost normal.
    many = None if ticks is None else max(ticks + math.sqrt(ticks) * normal(key, tick), 0.0)
    factor = exponential(key, tick) if many is None else many
    return settings.instrument.quantity_down(settings.depth_notional * Decimal(str(round(factor, 4))) / price)


def _candle(rules: Instrument, open_time: TimeNs, price: Price, time: TimeNs) -> Candle:
    return Candle(
        venue=rules.venue,
        symbol=rules.symbol,
        interval=CANDLE_INTERVAL,
        open_time=open_time,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(0),
        closed=False,
        time=time,
    )


def _empty_candle(candle: Candle, open_time: TimeNs) -> Candle:
    close = candle.close
    return msgspec.structs.replace(
        candle, open_time=open_time, open=close, high=close, low=close, volume=Decimal(0), time=open_time
    )


def _with_trade(candle: Candle, price: Price, volume: Quantity, time: TimeNs) -> Candle:
    return msgspec.structs.replace(
        candle,
        high=max(candle.high, price),
        low=min(candle.low, price),
        close=price,
        volume=candle.volume + volume,
        time=time,
    )
