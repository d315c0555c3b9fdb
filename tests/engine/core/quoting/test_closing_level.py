"""The level at which a slot is closed, and the window of the closing orders."""

import msgspec

from engine.core.grid import Grid
from engine.core.orders.slots import is_working
from schemas.codec import encode
from schemas.grid.state import GridState
from schemas.units import Side
from schemas.venue.orders import OrderStatus
from tests.builders import BTC
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    candle,
    fill,
    order,
    placed,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace
SCALED = replace(LONG, volatility_scale=D(1), atr_window=1, sell_window=20)


def widen(grid: Grid, size: int) -> None:
    for minute in (1, 2):
        closed = candle(BTC, minute, 1000)
        grid.process([replace(closed, high=D(1000) + D(size) / 2, low=D(1000) - D(size) / 2)])


def closing_levels(grid: Grid) -> list[int]:
    orders = ((level, slot.order) for level, slot in state_of(grid).slots.items())
    return [level for level, each in orders if each is not None and not each.opens and is_working(each)]


def restarted(grid: Grid) -> Grid:
    return Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)


def test_the_closing_level_is_that_of_the_fill_whatever_the_stride_is_later() -> None:
    grid = started(SCALED)
    fill(grid, -1)
    assert (slot(grid, -1).target, order(grid, -1).price) == (0, D(1000))
    closing = order(grid, -1).client_order_id
    widen(grid, 40)
    assert state_of(grid).stride == 4
    again = restarted(grid)
    change = step(again, report(closing, OrderStatus.EXPIRED), ticker(1000, 300))
    assert [each.price for each in placed(change) if not each.opens] == []  # the slot rests for a second
    closing_again = [each for each in placed(step(again, ticker(1000, 400))) if not each.opens]
    assert [(each.level, each.price) for each in closing_again] == [(-1, D(1000))]


def test_a_level_filled_in_parts_keeps_its_first_closing_level() -> None:
    grid = started(SCALED)
    step(grid, trade(order(grid, -1), "0.05"))
    widen(grid, 40)
    opening = order(grid, -1)
    step(grid, trade(opening, "0.051"))
    assert slot(grid, -1).target == 0


def test_an_emptied_level_forgets_its_closing_level() -> None:
    grid = started()
    fill(grid, -1)
    accept_all(grid)
    fill(grid, -1)
    assert slot(grid, -1).target is None


def test_a_short_is_closed_one_level_below() -> None:
    grid = started(NEUTRAL)
    fill(grid, 1)
    assert (slot(grid, 1).target, order(grid, 1).side, order(grid, 1).price) == (0, Side.BUY, D(1000))


def test_a_slot_of_an_earlier_version_closes_a_stride_further() -> None:
    grid = started()
    fill(grid, -1)
    slot(grid, -1).target = None
    again = restarted(grid)
    step(again, report(order(again, -1).client_order_id, OrderStatus.EXPIRED), ticker(1000, 9))
    assert [each.price for each in placed(step(again, ticker(1000, 99))) if not each.opens] == [1000]


def test_closing_orders_are_in_the_window_of_the_price_whatever_the_skew_is() -> None:
    # Held are six levels of ten, so the skew of 2 % moves the center by 1.2 %: six intervals of 0.2 % down.
    settings = replace(LONG, price_interval=D(2), inventory_skew=D("0.02"), buy_window=10, sell_window=5)
    grid = started(settings)
    for level in range(-1, -7, -1):
        fill(grid, level)
        accept_all(grid)
    step(grid, ticker(988, 1))
    accept_all(grid)
    # Closed at 990 to 998: five levels above 988. The sixth, to be closed at 1000, is out of the window.
    assert closing_levels(grid) == [-6, -5, -4, -3, -2]
    assert (state_of(grid).center, state_of(grid).closing_center) == (-12, -6)
    step(grid, ticker(998, 2))
    assert state_of(grid).closing_center == -1
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.CANCELED, seconds=3))
    assert closing_levels(grid) == [-6, -5, -4, -3, -2, -1]
