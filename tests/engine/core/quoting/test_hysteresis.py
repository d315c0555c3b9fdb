"""Hysteresis of the window: a price that trembles moves no order."""

from decimal import Decimal

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.grid.settings import GridSettings
from schemas.venue.orders import CancelOrder, PlaceOrder
from tests.builders import BTC
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    candle,
    end,
    order,
    started,
    state_of,
    step,
    ticker,
)

replace = msgspec.structs.replace
CALM = replace(NEUTRAL, window_slack=1, recenter_distance=D("0.6"), stride_confirmations=2)
SCALED = replace(CALM, volatility_scale=D(1), atr_window=2)


def requests_of(grid: Grid, prices: list[Decimal]) -> int:
    """Return the number of orders placed and canceled while the price moves, each confirmed at once."""
    requests = 0
    for second, price in enumerate(prices, start=1):
        change = grid.process([ticker(price, second)])
        while change is not None:
            requests += sum(isinstance(each, PlaceOrder | CancelOrder) for each in change.decisions)
            gone = [each.client_order_id for each in change.decisions if isinstance(each, CancelOrder)]
            accept_all(grid)
            change = end(grid, *gone) if gone else None
    return requests


def trembling(around: str) -> list[Decimal]:
    return [D(around) + D("0.1") * (-1) ** number for number in range(1000)]


@pytest.mark.parametrize("around", ["1005", "1004", "1006", "994", "1000"])
def test_a_trembling_price_makes_no_request(around: str) -> None:
    grid = started(CALM)
    requests_of(grid, trembling(around)[:2])
    assert requests_of(grid, trembling(around)) == 0


def test_without_hysteresis_each_tick_replaces_an_order() -> None:
    assert requests_of(started(NEUTRAL), trembling("1005")) > 1000


def test_the_center_moves_beyond_six_tenths_of_an_interval() -> None:
    grid = started(CALM)
    assert grid.process([ticker("1005.9", 1)]) is None
    step(grid, ticker("1006", 2))
    assert state_of(grid).center == 1
    assert grid.process([ticker("1004.1", 3)]) is None
    step(grid, ticker("1003.9", 4))
    assert state_of(grid).center == 0


@pytest.mark.parametrize("distance", ["0.5", "0.6", "0.9"])
def test_no_action_band_agrees_with_full_processing(distance: str) -> None:
    settings = replace(CALM, recenter_distance=D(distance), inventory_skew=D("0.01"))
    calm, exact = started(settings), started(settings)
    for number in range(300):
        newest = ticker(D(1000) + D("0.7") * (number % 50) - D("0.3") * (number % 7), number)
        exact._band = None
        assert (calm.process([newest]) is None) == (exact.process([newest]) is None)
        assert state_of(calm).center == state_of(exact).center


def test_an_order_one_level_beyond_the_window_stays() -> None:
    grid = started(CALM)
    farthest = order(grid, -3).client_order_id
    step(grid, ticker(1010, 1))
    accept_all(grid)
    assert order(grid, -3).client_order_id == farthest
    change = step(grid, ticker(1020, 2))
    assert farthest in {each.client_order_id for each in change.decisions if isinstance(each, CancelOrder)}


def test_a_half_open_breaker_keeps_one_level_without_slack() -> None:
    grid = started(replace(CALM, breaker_cool_down=1))
    state_of(grid).breaker.state = state_of(grid).breaker.state.HALF_OPEN
    step(grid, ticker(1010, 60))
    assert [level for level in state_of(grid).slots if level <= 0 and _is_working(grid, level)] == [0]


def _is_working(grid: Grid, level: int) -> bool:
    found = state_of(grid).slots[level].order
    return found is not None and found.state != "cancel_requested"


def process(grid: Grid, minute: int, size: int) -> int:
    """Process a candle with a range of `size`, and return the stride."""
    closed = candle(BTC, minute, 1000)
    wide = replace(closed, high=D(1000) + D(size) / 2, low=D(1000) - D(size) / 2)
    grid.process([wide])
    return state_of(grid).stride


def strides(settings: GridSettings, *sizes: int) -> list[int]:
    grid = started(settings)
    return [process(grid, minute, size) for minute, size in enumerate(sizes)]


def test_the_stride_changes_when_two_candles_in_a_row_want_it() -> None:
    # Of two ranges of 8 the first range is not known: the first candle has no close before it.
    assert strides(SCALED, 8, 8, 8, 32, 8, 8) == [1, 1, 1, 1, 2, 2]
    assert strides(replace(SCALED, stride_confirmations=1), 8, 8, 8, 32, 8, 8) == [1, 1, 1, 2, 2, 1]


def test_two_wider_strides_in_a_row_agree_on_the_nearer_one() -> None:
    assert strides(SCALED, 8, 8, 8, 32, 48) == [1, 1, 1, 1, 2]


def test_a_single_wide_candle_changes_nothing() -> None:
    settings = replace(SCALED, atr_window=1)
    grid = started(settings)
    assert [process(grid, minute, size) for minute, size in enumerate((8, 8, 32, 8, 32, 8))] == [1] * 6
    assert state_of(grid).volatility.wanted_stride == 0


def test_a_grid_of_an_earlier_version_has_no_hysteresis() -> None:
    assert (LONG.window_slack, LONG.recenter_distance, LONG.stride_confirmations) == (0, D("0.5"), 1)
