"""How much the symbol moves, from its own closed candles: how far apart levels are used, and how large orders are.

The average true range is the mean of the last `atr_window` true ranges: of a candle the distance between its extremes, the
close before it included. It is judged when a candle closes, and until there are enough of them nothing is changed. Then
`max(1, ceil(range * volatility_scale / interval))` is the stride: the levels in use are its multiples. A level keeps its
name and its price. What a level holds keeps the order that closes it; opening orders between the levels in use are canceled.
"""

from decimal import ROUND_CEILING, Decimal

from engine.core.orders.price_lattice import Lattice
from engine.core.step import Draft
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState
from schemas.units import ZERO, Money, Price, Ratio
from schemas.venue.market import Candle

SHRINKING = Decimal(50)
"""A volatility of 1 % halves what an order is worth with `dynamic_quantity`."""
LEAST_SHARE = Decimal("0.1")
LARGEST_STRIDE = 10_000
"""An interval of nothing beside the range would be no lattice."""


def is_watched(settings: GridSettings) -> bool:
    """Tell whether anything depends on the symbol's own candles."""
    return bool(settings.volatility_scale) or settings.dynamic_quantity


def on_candle(draft: Draft, candle: Candle) -> bool:
    """Take a closed candle of the symbol, once and in order, and tell whether it did."""
    state = draft.state
    settings, seen = state.settings, state.volatility
    is_ours = candle.symbol == state.symbol and candle.interval == settings.volatility_interval
    if not (is_watched(settings) and is_ours and candle.closed and candle.open_time > seen.open_time):
        return False
    if seen.close:
        seen.ranges.append(max(candle.high, seen.close) - min(candle.low, seen.close))
        del seen.ranges[: -settings.atr_window]
    seen.close, seen.open_time = candle.close, candle.open_time
    return True


def average_true_range(state: GridState) -> Price | None:
    """Return the average true range, None while too few candles are known."""
    ranges, window = state.volatility.ranges, state.settings.atr_window
    return sum(ranges[-window:], ZERO) / window if len(ranges) >= window else None


def volatility(state: GridState) -> Ratio | None:
    """Return the average true range as a share of the close that it ends with."""
    found = average_true_range(state)
    return None if found is None else found / state.volatility.close


def stride(state: GridState, lattice: Lattice) -> int:
    """Return so many levels as those in use should be apart, by the newest closed candle."""
    settings = state.settings
    found = average_true_range(state) if settings.volatility_scale else None
    if found is None:
        return 1
    wanted = found * settings.volatility_scale / lattice.spacing(lattice.nearest(state.volatility.close))
    return int(min(max(wanted, Decimal(1)), Decimal(LARGEST_STRIDE)).to_integral_value(ROUND_CEILING))


def order_amount(state: GridState) -> Money:
    """Return what an opening order is worth now, in quote."""
    settings = state.settings
    found = volatility(state) if settings.dynamic_quantity else None
    if found is None:
        return settings.order_amount
    return settings.order_amount * max(LEAST_SHARE, 1 - SHRINKING * found)
