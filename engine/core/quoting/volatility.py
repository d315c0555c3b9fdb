"""Volatility of the symbol from its closed candles: the stride between levels in use, and the order size.

The average true range (ATR) is the mean of the last `atr_window` true ranges; a true range spans the extremes of a candle
and the close before it. With fewer candles neither stride nor size changes. The stride is
`max(1, ceil(ATR * volatility_scale / interval))`, and the levels in use are its multiples: a level keeps its number and its
price. Opening orders between the levels in use are canceled; closing orders stay.
"""

from decimal import ROUND_CEILING, Decimal

from engine.core.orders.price_lattice import Lattice
from engine.core.step import Draft
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState
from schemas.units import ZERO, Money, Price, Ratio
from schemas.venue.market import Candle

SIZE_REDUCTION = Decimal(50)
"""With `dynamic_quantity`, a volatility of 1 % halves the order amount."""
MIN_SIZE_RATIO = Decimal("0.1")
MAX_STRIDE = 10_000
"""Bounds the stride where the interval is negligible beside the range."""


def is_watched(settings: GridSettings) -> bool:
    """Return whether the settings use the symbol's own candles."""
    return bool(settings.volatility_scale) or settings.dynamic_quantity


def on_candle(draft: Draft, candle: Candle) -> None:
    """Apply a closed candle of the symbol, once and in order."""
    state = draft.state
    settings, seen = state.settings, state.volatility
    is_ours = candle.symbol == state.symbol and candle.interval == settings.volatility_interval
    if not (is_watched(settings) and is_ours and candle.closed and candle.open_time > seen.open_time):
        return
    draft.touch()
    if seen.close:
        seen.ranges.append(max(candle.high, seen.close) - min(candle.low, seen.close))
        del seen.ranges[: -settings.atr_window]
    seen.close, seen.open_time = candle.close, candle.open_time


def average_true_range(state: GridState) -> Price | None:
    """Return the average true range, None with too few candles."""
    ranges, window = state.volatility.ranges, state.settings.atr_window
    return sum(ranges[-window:], ZERO) / window if len(ranges) >= window else None


def volatility(state: GridState) -> Ratio | None:
    """Return the average true range as a ratio of the last close, None with too few candles."""
    atr = average_true_range(state)
    return None if atr is None else atr / state.volatility.close


def stride(state: GridState, lattice: Lattice) -> int:
    """Return the number of levels between two levels in use, as of the newest closed candle."""
    settings = state.settings
    atr = average_true_range(state) if settings.volatility_scale else None
    if atr is None:
        return 1
    wanted = atr * settings.volatility_scale / lattice.spacing(lattice.nearest(state.volatility.close))
    return int(min(max(wanted, Decimal(1)), Decimal(MAX_STRIDE)).to_integral_value(ROUND_CEILING))


def confirmed_stride(draft: Draft, lattice: Lattice) -> int:
    """Return the stride in effect: another one is taken once `stride_confirmations` candles in a row have wanted it.

    Candles that want different strides on the same side of the present one agree on the nearest of them.
    """
    state, wanted, seen = draft.state, stride(draft.state, lattice), draft.state.volatility
    if wanted == state.stride or state.settings.stride_confirmations <= 1:
        if seen.wanted_stride:
            draft.touch()
            seen.wanted_stride, seen.wanted_candles, seen.wanted_time = 0, 0, -1
        return wanted
    if seen.open_time > seen.wanted_time:
        draft.touch()
        is_same_side = (seen.wanted_stride > state.stride) == (wanted > state.stride)
        is_repeated = bool(seen.wanted_stride) and is_same_side
        nearest = max if wanted < state.stride else min
        seen.wanted_stride = nearest(seen.wanted_stride, wanted) if is_repeated else wanted
        seen.wanted_candles = seen.wanted_candles + 1 if is_repeated else 1
        seen.wanted_time = seen.open_time
    return seen.wanted_stride if seen.wanted_candles >= state.settings.stride_confirmations else state.stride


def order_amount(state: GridState) -> Money:
    """Return the notional of an opening order at the present volatility, in quote."""
    settings = state.settings
    ratio = volatility(state) if settings.dynamic_quantity else None
    if ratio is None:
        return settings.order_amount
    return settings.order_amount * max(MIN_SIZE_RATIO, 1 - SIZE_REDUCTION * ratio)
