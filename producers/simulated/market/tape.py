"""Price source of the venue, read tick by tick: the `Tape` protocol, and the liquidity of a tick."""

from decimal import Decimal
from typing import NamedTuple, Protocol

from producers.simulated.draws import key_of, uniform
from producers.simulated.listing import Liquidity, Quote, VolumeLimit
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import Symbol, TimeNs
from schemas.venue.market import Candle

CANDLE_INTERVAL = "1m"
"""Interval of the model's candles."""
MIN_TRADED_FACTOR = 0.25
TRADED_FACTOR_RANGE = 1.5
"""The quantity traded in a tick is 0.25 to 1.75 times the mean, and the mean on average."""
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
    limit: VolumeLimit | None = None
    """The candle's volume, where it is recorded."""
    ticks: int = 1
    """Number of ticks that a recorded candle has."""


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


def draw_liquidity(venue: VenueSettings, settings: SymbolSettings, tick: Tick, number: int) -> Liquidity:
    """Draw the quantity that other participants trade in one tick of a symbol.

    With a recorded volume that is a share of the tick's volume, else the symbol's `traded_notional` on average.
    """
    rules, fills = settings.instrument, venue.fills
    key = key_of(venue.seed, rules.symbol, "traded")
    factor = Decimal(str(round(MIN_TRADED_FACTOR + TRADED_FACTOR_RANGE * uniform(key, number, 0), 6)))
    if tick.limit is None:
        mean = settings.traded_notional / tick.quote.last
    else:
        mean = tick.limit.volume / tick.ticks * Decimal(str(fills.touch_share))
    traded = max(rules.quantity_down(mean * factor), rules.lot_size)
    is_reached = uniform(key, number, 1) < fills.touch_probability
    share = uniform(key, number, 2) if is_reached else 0.0
    return Liquidity(traded, Decimal(str(round(share, 6))), tick.limit)
