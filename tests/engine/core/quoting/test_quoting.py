"""The orders that a grid places and cancels at a price."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.orders.price_lattice import Lattice
from engine.core.quoting.quotes import market_of
from engine.core.quoting.quoting import is_near
from schemas.engine.control import CommandName
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import Side
from schemas.venue.order_ids import MAX_LEVEL
from schemas.venue.orders import OrderStatus, PlaceOrder, RejectReason
from tests.engine.core.examples import (
    GEOMETRIC,
    LONG,
    NEUTRAL,
    PERPETUAL,
    SPOT,
    D,
    accept_all,
    added,
    canceled,
    command,
    fill,
    levels,
    order,
    placed,
    report,
    silence,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace


def first_orders(settings: GridSettings) -> list[PlaceOrder]:
    return placed(step(Grid(None, 0), added(settings), ticker(1000)))


def test_long_buys_below_the_center_nearest_first() -> None:
    orders = first_orders(LONG)
    assert [(each.level, each.price) for each in orders] == [(-1, D(990)), (-2, D(980)), (-3, D(970))]
    assert all(each.side is Side.BUY and each.post_only and not each.reduce_only for each in orders)


def test_neutral_also_sells_above_the_center() -> None:
    orders = first_orders(NEUTRAL)
    assert levels(orders, Side.BUY) == [-1, -2, -3]
    assert levels(orders, Side.SELL) == [1, 2, 3]
    assert not any(each.reduce_only for each in orders)


def test_amount_is_quote_notional() -> None:
    nearest = first_orders(LONG)[0]
    assert nearest.quantity == D("0.101")  # 100 / 990, down to the lot


def test_geometric_levels_are_quoted_at_valid_prices() -> None:
    assert [each.price for each in first_orders(GEOMETRIC)] == [D("990.0"), D("980.2"), D("970.5")]


def test_levels_below_zero_are_not_quoted() -> None:
    settings = replace(LONG, price_interval=D(400))
    assert levels(first_orders(settings), Side.BUY) == [-1, -2]


def test_window_trails_down_behind_the_price() -> None:
    grid = started()
    fill(grid, -1)
    change = step(grid, ticker(979, 1))
    assert state_of(grid).center == -2
    assert levels(placed(change), Side.BUY) == [-4, -5]


def test_window_trails_up_and_cancels_far_orders() -> None:
    grid = started()
    farthest = order(grid, -3).client_order_id
    change = step(grid, ticker(1010))
    assert canceled(change) == {farthest}
    assert [each.level for each in placed(change)] == [0]


def test_order_at_the_price_stays() -> None:
    grid = started()
    change = step(grid, ticker(991))
    assert state_of(grid).center == -1
    assert not canceled(change)
    assert order(grid, -1).price == 990


def test_opening_sells_outside_the_window_are_canceled() -> None:
    grid = started(NEUTRAL)
    farthest = order(grid, 3).client_order_id
    assert canceled(step(grid, ticker(990))) == {farthest}


def test_held_quantity_is_sold_one_level_higher() -> None:
    grid = started()
    (closing,) = placed(fill(grid, -1))
    assert (closing.side, closing.price, closing.quantity) == (Side.SELL, D(1000), D("0.101"))
    assert closing.reduce_only
    assert not closing.post_only


def test_spot_orders_are_not_reduce_only() -> None:
    grid = started(instrument=SPOT)
    (closing,) = placed(fill(grid, -1))
    assert not closing.reduce_only


def test_short_is_bought_back_one_level_lower() -> None:
    grid = started(NEUTRAL)
    (closing,) = placed(fill(grid, 1))
    assert (closing.side, closing.price, closing.reduce_only) == (Side.BUY, D(1000), True)
    assert slot(grid, 1).held == D("-0.099")


def test_closing_order_has_the_slot_quantity() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, trade(bought, "0.04"))
    change = step(grid, report(bought.client_order_id, OrderStatus.CANCELED, "0.04"))
    assert D("0.04") in [each.quantity for each in placed(change)]


@pytest.mark.parametrize(
    ("settings", "level", "away", "near"), [(LONG, -1, 950, 990), (NEUTRAL, 1, 1050, 1010)]
)
def test_closing_orders_are_placed_within_the_window(
    settings: GridSettings, level: int, away: int, near: int
) -> None:
    grid = started(settings)
    fill(grid, level)
    closing = order(grid, level).client_order_id
    assert closing in canceled(step(grid, ticker(away)))
    step(grid, report(closing, OrderStatus.CANCELED))
    assert slot(grid, level).order is None
    assert (level, False) in [(each.level, each.post_only) for each in placed(step(grid, ticker(near)))]


def test_filled_slot_outside_the_window_is_kept() -> None:
    grid = started()
    fill(grid, -1)
    step(grid, ticker(900))
    assert slot(grid, -1).held == D("0.101")


def test_level_close_to_the_price_is_near() -> None:
    lattice = Lattice(D(1000), LONG, PERPETUAL)
    assert is_near(lattice, -1, D("990.9"))
    assert not is_near(lattice, -1, D(991))


def test_crossing_level_is_not_opened() -> None:
    grid = Grid(None, 0)
    crossed = ticker(1000, bid=D(1015), ask=D(1000))
    orders = placed(step(grid, added(NEUTRAL), crossed))
    assert levels(orders, Side.SELL) == [2, 3]
    assert placed(step(grid, ticker(1000)))[0].level == 1


def test_last_price_is_clamped_to_the_best_prices() -> None:
    assert market_of(ticker(1000, bid=D(1003), ask=D(1004))).price == 1003
    assert market_of(ticker(1000, bid=D(990), ask=D(995))).price == 995
    assert market_of(ticker(1000, bid=D(0), ask=D(0))).price == 1000


def test_partially_filled_opening_order_stays() -> None:
    grid = started()
    bought = order(grid, -1)
    change = step(grid, trade(bought, "0.05"))
    assert not change.decisions
    assert order(grid, -1) is bought


def test_partially_filled_buy_is_canceled_at_its_closing_price() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, trade(bought, "0.05"))
    assert grid.process([ticker(999, 1)]) is None
    assert canceled(step(grid, ticker(1000, 2))) == {bought.client_order_id}
    change = step(grid, report(bought.client_order_id, OrderStatus.CANCELED, "0.05"))
    assert [(each.side, each.quantity) for each in placed(change)] == [(Side.SELL, D("0.05"))]


def test_partially_filled_sell_is_canceled_at_its_closing_price() -> None:
    grid = started(NEUTRAL)
    sold = order(grid, 1)
    step(grid, trade(sold, "0.05"), ticker(1006))
    assert sold.client_order_id not in canceled(step(grid, ticker("1000.1", 1)))
    assert sold.client_order_id in canceled(step(grid, ticker(1000, 2)))


def test_quantity_below_the_minimum_keeps_the_opening_order() -> None:
    grid = started()
    step(grid, trade(order(grid, -1), "0.004"), ticker(1006))
    assert grid.process([ticker(1006, 1)]) is None


def test_quantity_below_the_minimum_is_added_to() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, trade(bought, "0.004"))
    change = step(grid, report(bought.client_order_id, OrderStatus.EXPIRED, "0.004"))
    (replaced,) = placed(change)
    assert (replaced.side, replaced.level, replaced.quantity) == (Side.BUY, -1, D("0.101"))
    accept_all(grid)
    (closing,) = placed(fill(grid, -1))
    assert closing.quantity == D("0.105")


def test_quantity_below_the_minimum_is_not_added_to_from_the_other_side() -> None:
    grid = started(NEUTRAL)
    bought = order(grid, -1)
    step(grid, trade(bought, "0.004"), report(bought.client_order_id, OrderStatus.EXPIRED, "0.004"))
    change = step(grid, ticker(970, 5))
    assert -1 not in levels(placed(change), Side.SELL)


def test_quota_keeps_the_nearest_orders() -> None:
    assert [each.level for each in first_orders(replace(NEUTRAL, order_cleanup_threshold=3))] == [-1, 1, -2]


def test_quota_prefers_closing_orders() -> None:
    grid = started(replace(LONG, order_cleanup_threshold=3))
    bought, other = order(grid, -1), order(grid, -3)
    (closing,) = placed(step(grid, trade(bought), report(other.client_order_id, OrderStatus.CANCELED)))
    assert closing.side is Side.SELL


def test_slot_has_at_most_one_order() -> None:
    grid = started()
    step(grid, trade(order(grid, -1), "0.1"))
    step(grid, ticker(1010, 1))
    assert -1 not in [each.level for each in placed(step(grid, ticker(1000, 2)))]


def test_closing_order_without_a_quantity_to_close_is_canceled() -> None:
    grid = started()
    step(grid, ticker(1010, 1))
    old = order(grid, -1)
    fill(grid, -1)
    closing = order(grid, -1)
    late = replace(trade(old), client_order_id=closing.client_order_id, side=Side.SELL, quantity=D("0.1"))
    step(grid, late)
    sell_more = replace(trade(old, "0.001"), side=Side.SELL)
    assert canceled(step(grid, sell_more)) == {closing.client_order_id}


def test_order_being_canceled_is_not_canceled_again() -> None:
    grid = started()
    assert canceled(step(grid, ticker(1010)))
    assert not canceled(step(grid, ticker(1020), command(CommandName.PAUSE))) & {
        order(grid, -3).client_order_id
    }


def test_window_stops_at_a_bound() -> None:
    grid = started(replace(LONG, upper_price=D(1000), lower_price=D(975)))
    assert sorted(level for level, each in state_of(grid).slots.items() if each.order) == [-2, -1]
    assert grid.process([ticker(1050, 1)]) is None
    assert state_of(grid).center == 0


def test_out_of_bounds() -> None:
    grid = started(replace(NEUTRAL, upper_price=D(1005), lower_price=D(995)))
    assert why(grid) is NotQuoting.OUT_OF_BOUNDS


def why(grid: Grid) -> NotQuoting | None:
    return grid.why_not_quoting()


def test_quoting_grid_has_no_reason() -> None:
    assert why(started()) is None


def test_no_price() -> None:
    grid = Grid(None, 0)
    assert why(grid) is NotQuoting.NO_PRICE
    step(grid, added())
    assert why(grid) is NotQuoting.NO_PRICE


def test_below_minimum() -> None:
    grid = started(replace(LONG, order_amount=D(4)))
    assert why(grid) is NotQuoting.BELOW_MINIMUM


def test_quota() -> None:
    grid = started(replace(LONG, order_cleanup_threshold=1))
    fill(grid, -1)
    assert why(grid) is NotQuoting.QUOTA


def test_cool_down() -> None:
    grid = started(replace(LONG, buy_window=1))
    bought = order(grid, -1).client_order_id
    step(grid, report(bought, OrderStatus.REJECTED, reason=RejectReason.OTHER))
    assert why(grid) is NotQuoting.COOL_DOWN


def test_window_full() -> None:
    grid = started(replace(LONG, buy_window=1))
    fill(grid, -1)
    assert why(grid) is NotQuoting.WINDOW_FULL


def test_awaiting_venue() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    assert why(grid) is NotQuoting.PAUSED
    step(grid, command(CommandName.RESUME))
    assert why(grid) is NotQuoting.AWAITING_VENUE


def test_would_cross() -> None:
    grid = started(replace(NEUTRAL, buy_window=1, sell_window=1))
    fill(grid, -1)
    sold = order(grid, 1).client_order_id
    step(grid, report(sold, OrderStatus.CANCELED), ticker(1000, 5, bid=D(1015), ask=D(1000)))
    step(grid, silence(7), command(CommandName.RESUME))
    assert why(grid) is NotQuoting.WOULD_CROSS


def test_a_level_that_no_order_id_can_name_is_not_opened() -> None:
    grid = started()
    state_of(grid).anchor = D(1000) - MAX_LEVEL * D(10)
    far = Grid(state_of(grid), grid.step)
    change = step(far, ticker(1020, 1))
    assert state_of(far).center == MAX_LEVEL + 2
    assert levels(placed(change), Side.BUY) == [MAX_LEVEL, MAX_LEVEL - 1]
