"""Stride and order size from the symbol's own candles."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid import Grid
from engine.core.quoting import volatility
from engine.core.quoting.quotes import Market
from engine.core.quoting.quoting import plan
from engine.core.step import Change
from engine.core.view import view
from schemas.grid.settings import GridSettings
from schemas.units import Side, Symbol
from schemas.venue.market import Candle
from tests.builders import BTC
from tests.engine.core.examples import (
    GEOMETRIC,
    LONG,
    NEUTRAL,
    D,
    accept_all,
    at,
    canceled,
    candle,
    fill,
    levels,
    order,
    placed,
    slot,
    started,
    state_of,
    step,
    ticker,
)

SCALED = msgspec.structs.replace(NEUTRAL, volatility_scale=D(1), atr_window=2)
SIZED = msgspec.structs.replace(LONG, dynamic_quantity=True, atr_window=2)


def moving(minute: int, size: int | str, close: int = 1000) -> Candle:
    """Return a candle with a range of `size`."""
    half = D(size) / 2
    return msgspec.structs.replace(candle(BTC, minute, close), high=close + half, low=close - half)


def process_candles(grid: Grid, *sizes: int | str) -> Change:
    """Process a first candle without range, then one candle of each size, with a tick after each."""
    first = int(state_of(grid).volatility.open_time > 0) * 10
    change = step(grid, moving(first, 0))
    for number, size in enumerate(sizes, first + 1):
        change = step(grid, moving(number, size), ticker(1000, 60 * number + 59))
    return change


def live_levels(grid: Grid, side: Side) -> list[int]:
    orders = [(level, slot.order) for level, slot in state_of(grid).slots.items() if slot.order]
    return [level for level, each in orders if each.side is side and each.state != "cancel_requested"]


def test_stride_is_one_with_too_few_candles() -> None:
    grid = started(SCALED)
    process_candles(grid, 35)
    assert state_of(grid).stride == 1
    assert volatility.average_true_range(state_of(grid)) is None


def test_stride_is_the_range_in_whole_intervals_rounded_up() -> None:
    grid = started(SCALED)
    process_candles(grid, 15, 30)
    assert volatility.average_true_range(state_of(grid)) == D("22.5")
    assert state_of(grid).stride == 3
    assert view(state_of(grid), 1).stride == 3


def test_true_range_includes_the_previous_close() -> None:
    grid = started(SCALED)
    process_candles(grid, 0)
    step(grid, moving(2, 10, close=1045))
    assert state_of(grid).volatility.ranges == [D(0), D(50)]


def test_only_the_newest_candles_are_averaged() -> None:
    grid = started(SCALED)
    process_candles(grid, 90, 5, 5)
    assert state_of(grid).stride == 1


@pytest.mark.parametrize(
    "other",
    [
        msgspec.structs.replace(moving(9, 80), closed=False),
        msgspec.structs.replace(moving(9, 80), interval="5m"),
        msgspec.structs.replace(moving(9, 80), symbol=Symbol("ETH/USDT:USDT")),
        moving(1, 80),
    ],
    ids=["forming", "interval", "symbol", "repeated"],
)
def test_other_candles_are_ignored(other: Candle) -> None:
    grid = started(SCALED)
    process_candles(grid, 15, 30)
    assert grid.process([other]) is None


def test_candles_are_ignored_when_switched_off() -> None:
    assert started(NEUTRAL).process([moving(1, 80)]) is None


def test_opening_orders_between_the_levels_in_use_are_canceled_and_the_window_grows() -> None:
    grid = started(SCALED)
    change = process_candles(grid, 20, 20)
    assert len(canceled(change)) == 4  # -3, -1, 1 and 3
    assert levels(placed(change), Side.BUY) == [-4, -6]
    assert levels(placed(change), Side.SELL) == [4, 6]
    assert live_levels(grid, Side.BUY) == [-6, -4, -2]


def test_stride_shrinks_again() -> None:
    grid = started(SCALED)
    process_candles(grid, 20, 20)
    accept_all(grid)
    change = step(grid, moving(3, 0), moving(4, 1), ticker(1000, 400))
    assert state_of(grid).stride == 1
    assert len(canceled(change)) == 4  # -6, -4, 4 and 6 are outside the window


def test_closing_level_is_one_stride_away() -> None:
    grid = started(SCALED)
    process_candles(grid, 20, 20)
    change = fill(grid, -2)
    (closing,) = [each for each in placed(change) if each.side is Side.SELL]
    assert (closing.level, closing.price) == (-2, D(1000))


def test_closing_order_stays_when_the_stride_changes() -> None:
    grid = started(SCALED)
    fill(grid, -1)
    closing = order(grid, -1)
    accept_all(grid)
    change = process_candles(grid, 25, 25)
    assert closing.client_order_id not in canceled(change)
    assert (order(grid, -1).price, state_of(grid).stride) == (D("1000"), 3)


def test_quantity_held_between_levels_in_use_is_closed() -> None:
    grid = started(SCALED)
    fill(grid, -1)
    change = process_candles(grid, 25, 25)
    assert not slot(grid, -1).order or not slot(grid, -1).order.opens  # type: ignore[union-attr]
    assert -1 not in levels(placed(change), Side.BUY)


def test_center_is_the_nearest_level_in_use() -> None:
    grid = started(SCALED)
    process_candles(grid, 25, 25)
    grid.process([ticker(1014, 500)])
    assert state_of(grid).center == 0
    grid.process([ticker(1016, 501)])
    assert state_of(grid).center == 3


def test_geometric_stride_uses_the_interval_at_the_price() -> None:
    grid = started(msgspec.structs.replace(GEOMETRIC, volatility_scale=D(2), atr_window=2))
    process_candles(grid, 9, 9)
    assert state_of(grid).stride == 2


def test_stride_is_bounded() -> None:
    grid = started(msgspec.structs.replace(SCALED, volatility_scale=D(10**9)))
    process_candles(grid, 20, 20)
    assert state_of(grid).stride == volatility.MAX_STRIDE


def test_volatility_reduces_opening_orders() -> None:
    grid = started(SIZED)
    fill(grid, -1)
    process_candles(grid, 5, 5)  # 0.5 % a minute
    assert volatility.order_amount(state_of(grid)) == D("75.000")
    grid.process([ticker(1020, 300)])
    change = step(grid, ticker(990, 301))
    assert {each.quantity for each in placed(change) if each.side is Side.BUY} <= {D("0.077"), D("0.078")}


def test_closing_orders_have_the_held_quantity() -> None:
    grid = started(SIZED)
    process_candles(grid, 18, 18)
    (closing,) = [each for each in placed(fill(grid, -1)) if each.side is Side.SELL]
    assert closing.quantity == D("0.101")


@given(size=st.integers(0, 400))
def test_order_amount_stays_between_a_tenth_and_the_whole(size: int) -> None:
    grid = started(SIZED)
    process_candles(grid, size, size)
    amount = volatility.order_amount(state_of(grid))
    assert D(10) <= amount <= D(100)
    assert amount == 100 * max(D("0.1"), 1 - 50 * D(size) / 1000)


@pytest.mark.parametrize("settings", [SCALED, SIZED], ids=["scaled", "sized"])
@given(
    sizes=st.lists(st.integers(0, 80), min_size=2, max_size=5),
    moves=st.lists(st.integers(-60, 60), max_size=4),
)
def test_planning_is_idempotent(settings: GridSettings, sizes: list[int], moves: list[int]) -> None:
    grid = started(settings)
    process_candles(grid, *sizes)
    for number, move in enumerate(moves):
        grid.process([ticker(1000 + move, 1000 + number)])
    state = state_of(grid)
    price = state.price or Decimal(0)
    market = Market(price, state.bid, state.ask, at(2000))
    assert grid._lattice is not None
    second = plan(state, grid._lattice, market, state.time)
    assert (second.cancels, second.quotes) == ([], [])
