"""Price source of the venue, read tick by tick: the `Tape` protocol, and seeded random draws."""

from decimal import Decimal
from random import Random
from typing import NamedTuple, Protocol

from producers.simulated.listing import Liquidity, Quote
from producers.simulated.settings import SymbolSettings
from schemas.units import Symbol, TimeNs
from schemas.venue.market import Candle

CANDLE_INTERVAL = "1m"
"""Interval of the model's candles."""
MIN_TRADED_FACTOR = 0.25
TRADED_FACTOR_RANGE = 1.5
"""The quantity traded in a tick is 0.25 to 1.75 times the mean, and the mean on average."""
QUEUE_REACHED_PROBABILITY = 0.5
"""Probability that trades at a touched price also reach our place in the queue."""
HISTORY_CANDLES = 1500
"""Number of closed candles that are kept and served."""


class Tick(NamedTuple):
    """The market of one symbol after one tick."""

    symbol: Symbol
    quote: Quote
    candles: tuple[Candle, ...]
    """Candles that closed in this tick, then the open one."""
    gap: str = ""
    """Description of the data missing before this tick; empty if none is."""


class Progress(NamedTuple):
    """Progress of a market that ends."""

    done: int
    total: int
    unit: str
    """`tick` or `candle`."""


class Tape(Protocol):
    """A market by tick number; tick 0 is its initial state."""

    last_tick: int | None
    """None: the market never ends."""

    def time(self, tick: int, now: TimeNs) -> TimeNs:
        """Return the market time of a tick at wall-clock time `now`."""
        ...

    def advance(self, tick: int, time: TimeNs) -> list[Tick]:
        """Move to the next tick and return the symbols that change in it."""
        ...

    def snapshot(self, tick: int, time: TimeNs) -> list[Tick]:
        """Return the state of every symbol after a tick."""
        ...

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle] | None:
        """Return the newest candles, oldest first, the open one last; None if the interval is not available."""
        ...

    def progress(self, tick: int) -> Progress | None:
        """Return the progress after a tick; None if the market never ends."""
        ...


def seeded_random(seed: int, *names: object) -> Random:
    """Return the random generator of a seed and a name, e.g. (7, "BTC/USDT:USDT", "traded", 12).

    Equal arguments give equal draws, so no generator state has to be stored.
    """
    return Random("/".join(map(str, (seed, *names))))


def draw_liquidity(seed: int, settings: SymbolSettings, price: Decimal, tick: int) -> Liquidity:
    """Draw the quantity that other participants trade in one tick of a symbol."""
    rules = settings.instrument
    random = seeded_random(seed, rules.symbol, "traded", tick)
    mean = settings.traded_notional / price
    factor = round(MIN_TRADED_FACTOR + TRADED_FACTOR_RANGE * random.random(), 6)
    traded = rules.quantity_down(mean * Decimal(str(factor)))
    is_queue_reached = random.random() < QUEUE_REACHED_PROBABILITY
    queue_share = random.random() if is_queue_reached else 0.0
    return Liquidity(max(traded, rules.lot_size), Decimal(str(round(queue_share, 6))))
