"""Where prices come from, as the venue sees it: the model or a recording, read tick by tick."""

from decimal import Decimal
from random import Random
from typing import NamedTuple, Protocol

from producers.simulated.listing import Quote
from producers.simulated.matching.engine import Liquidity
from producers.simulated.settings import SymbolSettings
from schemas.units import Symbol, TimeNs
from schemas.venue.market import Candle

INTERVAL = "1m"
PAST = 1500
"""Candles that are kept and served."""


class Tick(NamedTuple):
    """What the market of one symbol did in one tick."""

    symbol: Symbol
    quote: Quote
    candles: tuple[Candle, ...]
    """Those that closed, then the one that is forming."""
    gap: str = ""
    """What is missing before it; empty when nothing is."""


class Progress(NamedTuple):
    """How far a market with an end has come, in its own units."""

    done: int
    of: int
    unit: str


class Tape(Protocol):
    """A market's path by tick number. Tick 0 is how it stands before it moves."""

    last_tick: int | None
    """None: it never ends."""

    def time(self, tick: int, now: TimeNs) -> TimeNs:
        """Return the market time of a tick that happens at `now` by the wall clock."""
        ...

    def advance(self, tick: int, time: TimeNs) -> list[Tick]:
        """Return what happens in the next tick."""
        ...

    def standing(self, tick: int, time: TimeNs) -> list[Tick]:
        """Return how every symbol stands after a tick."""
        ...

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle] | None:
        """Return the newest candles, oldest first, the forming one last; None where the interval is not offered."""
        ...

    def progress(self, tick: int) -> Progress | None: ...


def chance(seed: int, *names: object) -> Random:
    """Return the random numbers that belong to a name, the same each time: no state has to be kept."""
    return Random("/".join(map(str, (seed, *names))))


def liquidity(seed: int, settings: SymbolSettings, price: Decimal, tick: int) -> Liquidity:
    """Return what others trade in one tick of a symbol."""
    rules = settings.instrument
    draw = chance(seed, rules.symbol, "traded", tick)
    mean = settings.traded_notional / price
    traded = rules.quantity_down(mean * Decimal(str(round(0.25 + 1.5 * draw.random(), 6))))
    share = draw.random() if draw.random() < 0.5 else 0.0
    return Liquidity(max(traded, rules.lot_size), Decimal(str(round(share, 6))))
