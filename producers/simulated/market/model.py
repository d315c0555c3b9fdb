"""A seeded model of a market: a random walk with drift, spells of high and low volatility, and jumps.

Every random number belongs to (seed, symbol, tick), so the path by tick number is always the same, and all that has to be
kept of it is the logarithm of the last price and the candle that is forming.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import msgspec

from producers.simulated.listing import Quote
from producers.simulated.market.tape import INTERVAL, PAST, Progress, Tick, chance
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import SECOND_NS, DurationNs, Price, Quantity, Symbol, TimeNs
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle

MINUTE_NS: DurationNs = 60 * SECOND_NS
SPELL_MINUTES = 10.0
"""How long a spell of volatility lasts, about."""
SPELL_STRENGTH = 0.5
"""Standard deviation of the logarithm of volatility."""
JUMP_SIZE = 2.0
"""Standard deviation of a jump, in those of a minute."""
PAST_STEPS = 4
"""Steps that a candle of the past is made of."""


class PathState(msgspec.Struct, kw_only=True):
    """What has to be kept of one symbol's path."""

    symbol: Symbol
    log_price: float
    forming: Candle


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One tick that was written instead of drawn."""

    price: Price
    volume: Quantity | None = None
    """What others traded in it; None is as drawn."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The random walk of one symbol in steps of a fixed length."""

    seed: int
    settings: SymbolSettings
    minutes: float
    """Length of a step."""
    name: str

    def step(self, index: int) -> float:
        """Return the change of the logarithm of the price in one step."""
        draw = chance(self.seed, self.settings.instrument.symbol, self.name, index)
        volatility = self.settings.volatility * self._spell(index)
        change = self.settings.drift * self.minutes / 1440
        change += draw.gauss(0.0, 1.0) * volatility * math.sqrt(self.minutes)
        if draw.random() < self.settings.jumps * self.minutes:
            change += draw.gauss(0.0, JUMP_SIZE) * self.settings.volatility
        return change

    def _spell(self, index: int) -> float:
        at = index * self.minutes / SPELL_MINUTES
        node = math.floor(at)
        before, after = (
            _spell_node(self.seed, self.settings.instrument.symbol, self.name, n) for n in (node, node + 1)
        )
        return math.exp(SPELL_STRENGTH * (before + (after - before) * (at - node)))


@lru_cache(maxsize=4096)
def _spell_node(seed: int, symbol: Symbol, name: str, node: int) -> float:
    return chance(seed, symbol, name, "spell", node).gauss(0.0, 1.0)


class ModelTape:
    """The markets of all symbols, made up as they go."""

    def __init__(self, settings: VenueSettings, created: TimeNs) -> None:
        self._settings = settings
        self._created = created
        self._symbols = {s.instrument.symbol: s for s in settings.symbols}
        self._walks = {
            symbol: Walk(settings.seed, s, settings.tick_interval / MINUTE_NS, "live")
            for symbol, s in self._symbols.items()
        }
        self._paths: dict[Symbol, PathState] = {}
        self._past: dict[Symbol, deque[Candle]] = {symbol: deque(maxlen=PAST) for symbol in self._symbols}
        self._script: dict[Symbol, deque[Scene]] = {symbol: deque() for symbol in self._symbols}
        self.last_tick = settings.ticks

    def play(self, symbol: Symbol, scenes: Iterable["Scene"]) -> None:
        """Let a symbol's next ticks go another way; the walk goes on from there."""
        self._script[symbol].extend(scenes)

    def begin(self, symbol: Symbol, time: TimeNs) -> list[Candle]:
        """Start a new symbol's path at `time`; return the past that it comes from."""
        settings = self._symbols[symbol]
        opened = time - time % MINUTE_NS
        self._past[symbol].extend(_past(self._settings.seed, settings, opened))
        first = _quote(settings, math.log(settings.start_price), is_rising=False).last
        forming = _candle(settings.instrument, opened, first, time)
        self._paths[symbol] = PathState(
            symbol=symbol, log_price=math.log(settings.start_price), forming=forming
        )
        return list(self._past[symbol])

    def resume(self, path: PathState, past: Iterable[Candle]) -> None:
        """Go on with a symbol's path where it was left."""
        self._paths[path.symbol] = path
        self._past[path.symbol].extend(past)

    def paths(self) -> list[PathState]:
        """Return what has to be kept."""
        return list(self._paths.values())

    def time(self, tick: int, now: TimeNs) -> TimeNs:
        if self._settings.is_lock_step:
            return self._created + tick * self._settings.tick_interval
        return now

    def advance(self, tick: int, time: TimeNs) -> list[Tick]:
        return [self._move(symbol, tick, time) for symbol in self._symbols]

    def standing(self, tick: int, time: TimeNs) -> list[Tick]:
        return [self._stand(symbol, tick) for symbol in self._symbols]

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle] | None:
        if interval != INTERVAL:
            return None
        return [*self._past[symbol], self._paths[symbol].forming][-limit:]

    def progress(self, tick: int) -> Progress | None:
        return Progress(tick, self.last_tick, "tick") if self.last_tick else None

    def _stand(self, symbol: Symbol, tick: int) -> Tick:
        path = self._paths[symbol]
        is_rising = tick > 0 and self._walks[symbol].step(tick) > 0
        quote = _quote(self._symbols[symbol], path.log_price, is_rising=is_rising)
        return Tick(symbol, quote, (path.forming,))

    def _move(self, symbol: Symbol, tick: int, time: TimeNs) -> Tick:
        settings, path = self._symbols[symbol], self._paths[symbol]
        scene = self._script[symbol].popleft() if self._script[symbol] else None
        change = math.log(scene.price) - path.log_price if scene else self._walks[symbol].step(tick)
        path.log_price += change
        quote = _quote(settings, path.log_price, is_rising=change > 0)
        volume = _volume(self._settings.seed, settings, quote.last, tick)
        if scene is not None and scene.volume is not None:
            volume = settings.instrument.quantity_down(scene.volume)
        closed = self._close_until(path, time)
        path.forming = _grow(path.forming, quote.last, volume, time)
        return Tick(symbol, quote, (*closed, path.forming))

    def _close_until(self, path: PathState, time: TimeNs) -> list[Candle]:
        # Also over the time that the venue was not there: the market stood still then.
        closed: list[Candle] = []
        opened = time - time % MINUTE_NS
        while path.forming.open_time < opened:
            ended = path.forming.open_time + MINUTE_NS
            closed.append(msgspec.structs.replace(path.forming, closed=True, time=ended))
            following = max(ended, opened - PAST * MINUTE_NS)
            path.forming = _flat(path.forming, following)
        self._past[path.symbol].extend(closed)
        return closed


def _past(seed: int, settings: SymbolSettings, until: TimeNs) -> list[Candle]:
    walk = Walk(seed, settings, 1 / PAST_STEPS, "past")
    logs = [0.0]
    for index in range(PAST * PAST_STEPS):
        logs.append(logs[-1] + walk.step(index))
    shift = math.log(settings.start_price) - logs[-1]
    candles = []
    for i in range(PAST):
        points = logs[i * PAST_STEPS : (i + 1) * PAST_STEPS + 1]
        prices = [_quote(settings, log + shift, is_rising=False).last for log in points]
        opened = until - (PAST - i) * MINUTE_NS
        candle = _candle(settings.instrument, opened, prices[0], opened)
        volume = _volume(seed, settings, prices[-1], i - PAST) * PAST_STEPS
        for price in prices:
            candle = _grow(candle, price, volume / len(prices), opened)
        rounded = candle.volume.quantize(settings.instrument.lot_size)
        candles.append(msgspec.structs.replace(candle, volume=rounded, closed=True, time=opened + MINUTE_NS))
    return candles


def _quote(settings: SymbolSettings, log_price: float, *, is_rising: bool) -> Quote:
    tick = settings.instrument.tick_size
    spread = settings.spread_ticks
    ticks = max(round(math.exp(log_price) / float(tick)), spread + 1)
    last = (ticks * tick).quantize(tick)
    # Who makes the price rise takes the ask, who makes it fall takes the bid.
    if is_rising:
        return Quote(last - spread * tick, last, last)
    return Quote(last, last + spread * tick, last)


def _volume(seed: int, settings: SymbolSettings, price: Price, tick: int) -> Quantity:
    spread = chance(seed, settings.instrument.symbol, "volume", tick).expovariate(1.0)
    return settings.instrument.quantity_down(settings.depth_notional * Decimal(str(round(spread, 4))) / price)


def _candle(rules: Instrument, opened: TimeNs, price: Price, time: TimeNs) -> Candle:
    return Candle(
        venue=rules.venue,
        symbol=rules.symbol,
        interval=INTERVAL,
        open_time=opened,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(0),
        closed=False,
        time=time,
    )


def _flat(candle: Candle, opened: TimeNs) -> Candle:
    close = candle.close
    return msgspec.structs.replace(
        candle, open_time=opened, open=close, high=close, low=close, volume=Decimal(0), time=opened
    )


def _grow(candle: Candle, price: Price, volume: Quantity, time: TimeNs) -> Candle:
    return msgspec.structs.replace(
        candle,
        high=max(candle.high, price),
        low=min(candle.low, price),
        close=price,
        volume=candle.volume + volume,
        time=time,
    )
