"""Order cleanup: far orders make room, partially filled ones stay, and it terminates."""

import msgspec

from schemas.units import Side
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    accept_all,
    canceled,
    order,
    placed,
    report,
    started,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace
FULL = replace(LONG, order_cleanup_threshold=3)


def test_far_order_makes_room_for_a_closing_order() -> None:
    grid = started(replace(FULL, buy_window=4))
    far = order(grid, -3).client_order_id
    bought = order(grid, -1)
    change = step(grid, trade(bought))
    assert [each.side for each in placed(change)] == [Side.SELL]
    accept_all(grid)
    step(grid, trade(order(grid, -2)))
    accept_all(grid)
    assert order(grid, -3).client_order_id == far


def test_far_orders_make_room_for_nearer_orders() -> None:
    grid = started(replace(FULL, buy_window=6))
    far = order(grid, -3).client_order_id
    change = step(grid, ticker(1010, 1))
    assert canceled(change) == {far}
    accept_all(grid)
    change = step(grid, report(far, OrderStatus.CANCELED))
    assert [each.level for each in placed(change)] == [0]
    assert grid.process([ticker(1010, 2)]) is None


def test_at_most_one_batch_is_canceled() -> None:
    grid = started(replace(FULL, buy_window=8, cleanup_batch_size=1))
    assert len(canceled(step(grid, ticker(1020, 1)))) == 1
    assert grid.process([ticker(1020, 2)]) is None


def test_as_many_are_canceled_as_wait_for_room() -> None:
    grid = started(replace(FULL, buy_window=8))
    expected = {order(grid, level).client_order_id for level in (-3, -2)}
    assert canceled(step(grid, ticker(1020, 1))) == expected


def test_partially_filled_order_is_not_canceled() -> None:
    grid = started(replace(FULL, buy_window=6))
    step(grid, report(order(grid, -3).client_order_id, OrderStatus.PARTIALLY_FILLED, "0.05"))
    assert canceled(step(grid, ticker(1010, 1))) == {order(grid, -2).client_order_id}


def test_cleanup_ends_with_only_partial_fills_left() -> None:
    grid = started(replace(FULL, buy_window=6))
    for level in (-1, -2, -3):
        step(grid, report(order(grid, level).client_order_id, OrderStatus.PARTIALLY_FILLED, "0.05"))
    assert not canceled(step(grid, ticker(1010, 1)))


def test_orders_of_the_larger_side_are_canceled() -> None:
    grid = started(replace(NEUTRAL, order_cleanup_threshold=3, buy_window=6, sell_window=6))
    assert {order(grid, level).side for level in (-1, 1, -2)} == {Side.BUY, Side.SELL}
    buys = {order(grid, level).client_order_id for level in (-1, -2)}
    assert canceled(step(grid, ticker(1010, 1))) == buys


def test_sells_are_canceled_when_they_are_the_larger_side() -> None:
    grid = started(replace(NEUTRAL, order_cleanup_threshold=3, buy_window=6, sell_window=6))
    step(grid, report(order(grid, -2).client_order_id, OrderStatus.EXPIRED))
    accept_all(grid)
    assert order(grid, 2).side is Side.SELL
    assert canceled(step(grid, ticker(990, 0.5))) == {order(grid, 2).client_order_id}
