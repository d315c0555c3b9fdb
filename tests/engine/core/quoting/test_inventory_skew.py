"""Inventory skew: the grid moves against its inventory, within the limit of the setting."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid import Grid
from engine.core.quoting import inventory_skew
from tests.engine.core.examples import LONG, NEUTRAL, D, accept_all, fill, started, state_of, step, ticker

SKEWED = msgspec.structs.replace(NEUTRAL, inventory_skew=D("0.02"))


def holding(quantity: str, settings: object = SKEWED) -> Grid:
    grid = started(SKEWED)
    state_of(grid).accounts.position = D(quantity)
    return grid


def test_reference_is_the_price_without_inventory() -> None:
    assert inventory_skew.reference(state_of(started(SKEWED)), D(1000)) == 1000


@pytest.mark.parametrize(
    ("held", "reference"), [("0.15", "990"), ("-0.15", "1010"), ("5", "980"), ("-5", "1020")]
)
def test_long_inventory_lowers_and_short_raises_the_reference(held: str, reference: str) -> None:
    assert inventory_skew.reference(state_of(holding(held)), D(1000)) == D(reference)


@given(st.decimals("-2", "2", places=3), st.decimals("500", "2000", places=1))
def test_reference_never_moves_towards_the_inventory(held: object, price: object) -> None:
    state = state_of(holding(str(held)))
    moved = inventory_skew.reference(state, D(str(price))) - D(str(price))
    assert moved * state.accounts.position <= 0
    assert abs(moved) <= D(str(price)) * state.settings.inventory_skew


def test_fill_moves_the_center() -> None:
    grid = started(SKEWED)
    for level in (-1, -2, -3):
        fill(grid, level)
    assert state_of(grid).center == -2  # 1000 * (1 - 0.02) midway between two levels counts as the upper one


def test_center_stays_without_skew() -> None:
    grid = started(NEUTRAL)
    for level in (-1, -2, -3):
        fill(grid, level)
    assert state_of(grid).center == 0


def test_ticks_that_keep_the_center_make_no_step() -> None:
    grid = started(SKEWED)
    fill(grid, -1)
    accept_all(grid)
    assert state_of(grid).center == -1  # 0.1 of 0.3: 6.7 below the price
    grid.process([ticker(999, 1)])  # the level at 1000 is above the price: it is sold at
    for number, price in enumerate(("1000.5", "998", "1001")):
        assert grid.process([ticker(price, 2 + number)]) is None
    step(grid, ticker(1003, 9))
    assert state_of(grid).center == 0


def test_no_action_band_agrees_with_full_processing() -> None:
    calm, exact = started(SKEWED), started(SKEWED)
    for grid in (calm, exact):
        fill(grid, -1)
        accept_all(grid)
    for number in range(200):
        newest = ticker(D(985) + D("0.2") * number, 10 + number)
        exact._band = None
        assert (calm.process([newest]) is None) == (exact.process([newest]) is None)
        assert state_of(calm).center == state_of(exact).center


def test_full_window_of_a_long_grid_is_the_buy_window() -> None:
    state = state_of(started(msgspec.structs.replace(LONG, inventory_skew=D("0.02"))))
    state.accounts.position = D("0.3")
    assert inventory_skew.inventory(state, D(1000)) == 1
