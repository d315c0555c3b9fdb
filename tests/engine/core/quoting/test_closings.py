"""Closing orders of holdings below the venue's minimum: alone where the venue allows it, else together."""

import msgspec

from engine.core.grid import Grid
from schemas.units import Side
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.instruments import Instrument
from schemas.venue.orders import CancelOrder, OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    PERPETUAL,
    D,
    accept_all,
    canceled,
    end,
    fill,
    levels,
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
COARSE = replace(PERPETUAL, minimum_notional=D(50))


def holding(*held: str, instrument: Instrument = COARSE) -> Grid:
    """Return a grid of which the levels from -1 down hold these quantities, at a price above all of them."""
    grid = started(LONG, instrument=instrument)
    for level, quantity in zip((-1, -2, -3), held, strict=False):
        buy = order(grid, level)
        step(grid, trade(buy, quantity), report(buy.client_order_id, OrderStatus.CANCELED, quantity))
    step(grid, ticker(1030, 2))
    orders = [each.order for each in state_of(grid).slots.values() if each.order]
    end(grid, *(each.client_order_id for each in orders if each.state == "cancel_requested"))
    return grid


def closing_orders(grid: Grid) -> list[tuple[int, str, str]]:
    orders = [(level, each.order) for level, each in state_of(grid).slots.items() if each.order]
    return [(level, str(found.price), str(found.quantity)) for level, found in orders if not found.opens]


def test_small_holdings_are_closed_together_at_the_best_price() -> None:
    grid = holding("0.03", "0.03")
    assert closing_orders(grid) == [(-1, "1000.0", "0.060")]


def test_a_pooled_order_is_not_pooled_again() -> None:
    grid = holding("0.03", "0.03", "0.03")
    accept_all(grid)
    assert closing_orders(grid) == [(-1, "1000.0", "0.090")]
    grid.process([ticker(1031, 10)])
    assert closing_orders(grid) == [(-1, "1000.0", "0.090")]


def test_its_trades_close_every_slot() -> None:
    grid = holding("0.03", "0.03")
    step(grid, trade(order(grid, -1), "0.045"))
    assert (slot(grid, -1).held, slot(grid, -2).held) == (D(0), D("0.015"))
    step(grid, trade(order(grid, -1), "0.015"))
    assert state_of(grid).accounts.position == 0
    assert state_of(grid).accounts.closed_pairs == 2


def test_an_order_of_more_than_is_held_is_canceled() -> None:
    grid = holding("0.03", "0.03")
    accept_all(grid)
    late = order(grid, -1)
    late.quantity = D("0.061")
    change = step(grid, ticker(1041, 10))
    (cancel,) = [
        each
        for each in change.decisions
        if isinstance(each, CancelOrder) and each.client_order_id == late.client_order_id
    ]
    assert cancel.reason_code is DecisionReason.MORE_THAN_IS_LEFT


def test_a_reduce_only_order_may_be_below_the_minimum_where_the_venue_allows_it() -> None:
    grid = holding("0.03", instrument=replace(COARSE, closes_exempt_from_minimum=True))
    assert closing_orders(grid) == [(-1, "1000.0", "0.030")]
    assert not [each for each in placed(step(grid, ticker(1041, 3))) if each.side is Side.SELL]


def test_nothing_is_opened_where_another_level_closes() -> None:
    """990 is bought and closes at 1000, where a grid centered at 990 would also open a sell."""
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    change = step(grid, ticker(990, 2))
    assert not levels(placed(change), Side.SELL)
    sells = [each.order for each in state_of(grid).slots.values() if each.order]
    assert sorted(each.price for each in sells if each.side is Side.SELL) == [1000, 1010, 1020, 1030]


def test_a_bounce_between_two_lines_ends_flat() -> None:
    grid = started(NEUTRAL)
    for number in range(3):
        fill(grid, -1)
        accept_all(grid)
        grid.process([ticker(990, 4 * number + 2)])
        accept_all(grid)
        filled = [
            each.order
            for each in state_of(grid).slots.values()
            if each.order and each.order.side is Side.SELL and each.order.price <= 1000
        ]
        step(grid, *(trade(each) for each in filled))
        assert state_of(grid).accounts.position == 0
        grid.process([ticker(1000, 4 * number + 4)])
        accept_all(grid)


def test_an_opening_order_gives_way_to_a_closing_order_on_its_line() -> None:
    grid = started(NEUTRAL)
    opening = order(grid, 1)
    step(grid, ticker(1010, 2))  # the center is level 1: the buys start at level 0
    accept_all(grid)
    change = fill(grid, 0)
    assert opening.client_order_id in canceled(change)
    (reason,) = {
        each.reason_code
        for each in change.decisions
        if isinstance(each, CancelOrder) and each.client_order_id == opening.client_order_id
    }
    assert reason is DecisionReason.CLOSES_HERE
