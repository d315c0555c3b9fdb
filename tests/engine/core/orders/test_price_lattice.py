"""Prices of levels, and the level nearest to a price."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.orders import price_lattice as module
from engine.core.orders.price_lattice import Lattice
from schemas.grid.settings import GridSettings
from schemas.units import Side
from tests.engine.core.examples import GEOMETRIC, LONG, PERPETUAL, D


def lattice(settings: GridSettings = LONG, anchor: str = "1000") -> Lattice:
    return Lattice(D(anchor), settings, PERPETUAL)


def test_arithmetic_levels_are_evenly_spaced() -> None:
    assert [lattice().price(level) for level in (-2, 0, 3)] == [980, 1000, 1030]


def test_geometric_levels_grow_by_a_ratio() -> None:
    assert [lattice(GEOMETRIC).price(level) for level in (-1, 0, 2)] == [
        D(1000) / D("1.01"),
        1000,
        D("1020.1"),
    ]


def test_buys_are_rounded_down_and_sells_up() -> None:
    grid = lattice(msgspec.structs.replace(LONG, price_interval=D("0.25")))
    assert grid.order_price(1, Side.BUY) == D("1000.2")
    assert grid.order_price(1, Side.SELL) == D("1000.3")


def test_order_price_has_the_digits_of_the_tick() -> None:
    assert str(lattice().order_price(-1, Side.BUY)) == "990.0"


@pytest.mark.parametrize(
    ("price", "level"), [("1000", 0), ("1004.9", 0), ("995.1", 0), ("1006", 1), ("972", -3)]
)
def test_nearest_level(price: str, level: int) -> None:
    assert lattice().nearest(D(price)) == level


def test_midway_belongs_to_the_upper_level() -> None:
    assert lattice().nearest(D(1005)) == 1
    assert lattice().nearest(D(995)) == 0


@pytest.mark.parametrize("settings", [LONG, GEOMETRIC])
@given(price=st.decimals("0.1", "100000", places=1))
def test_no_level_is_nearer_than_the_nearest(settings: GridSettings, price: D) -> None:
    grid = lattice(settings)
    level = grid.nearest(price)
    distances = [abs(grid.price(level + other) - price) for other in (-1, 0, 1)]
    assert min(distances) == distances[1]
    low, high = grid.bounds(level)
    assert low <= price < high


def test_spacing_of_a_geometric_grid_grows_with_the_price() -> None:
    assert lattice(GEOMETRIC).spacing(0) == 10
    assert lattice(GEOMETRIC).spacing(1) == D("10.1")


def test_cached_prices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED_PRICES", 3)
    grid = lattice()
    for _ in range(2):
        assert [grid.order_price(level, Side.BUY) for level in range(5)] == [1000, 1010, 1020, 1030, 1040]
