"""The position limit of a grid, on what is held and the opening orders of a side."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.guards import max_position
from engine.core.view import risk_summary
from schemas.engine.control import CommandName
from schemas.grid.settings import DEFAULT_MAX_POSITION, GridSettings, PositionLimit, PositionUnit
from schemas.grid.view import NotQuoting
from schemas.units import Side
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import CancelOrder, OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    balance,
    canceled,
    command,
    end,
    fill,
    levels,
    order,
    placed,
    report,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace
LIMITED = replace(LONG, max_position=DEFAULT_MAX_POSITION)


def limited(value: str, unit: PositionUnit, base: GridSettings = LONG) -> GridSettings:
    return replace(base, max_position=PositionLimit(value=D(value), unit=unit))


def fall(grid: Grid, lowest: int) -> None:
    """Let the price fall by ten at a time, each reached buy filled."""
    for price in range(990, lowest - 1, -10):
        state = state_of(grid)
        reached = [
            each.level
            for each in state.slots.values()
            if each.order and each.order.opens and each.order.price >= price
        ]
        for level in sorted(reached, reverse=True):
            fill(grid, level)
        grid.process([ticker(price, 1000 - price)])
        for each in [slot.order for slot in state_of(grid).slots.values() if slot.order]:
            if each.state == "cancel_requested":
                end(grid, each.client_order_id)
        accept_all(grid)


@pytest.mark.parametrize(("settings", "held"), [(LIMITED, 6), (LONG, 50)], ids=["two windows", "off"])
def test_a_fall_fills_no_more_than_the_limit(settings: GridSettings, held: int) -> None:
    grid = started(settings)
    fall(grid, 500)
    state = state_of(grid)
    assert sum(slot.held > 0 for slot in state.slots.values()) == held
    assert max_position.held(state, Side.BUY) <= held * D(100)
    expected = NotQuoting.MAX_POSITION if settings is LIMITED else None
    assert grid.why_not_quoting() == expected


def test_the_loss_of_a_fall_is_bounded() -> None:
    grid = started(LIMITED)
    fall(grid, 500)
    accounts = state_of(grid).accounts
    total = accounts.cash + accounts.position * 500 - accounts.fees
    assert total == D("-288.71")


def test_orders_count_together_with_what_is_held() -> None:
    grid = started(limited("2", PositionUnit.LEVELS))
    assert [slot.level for slot in state_of(grid).slots.values() if slot.order] == [-2, -1]
    fill(grid, -1)
    assert grid.why_not_quoting() is None
    fill(grid, -2)
    assert grid.why_not_quoting() is NotQuoting.MAX_POSITION


def test_a_closed_level_makes_room() -> None:
    grid = started(limited("1", PositionUnit.LEVELS))
    fill(grid, -1)
    accept_all(grid)
    change = fill(grid, -1)
    assert levels(placed(change), Side.BUY) == [-1]


def test_a_nearer_level_takes_the_place_of_the_farthest() -> None:
    grid = started(limited("2", PositionUnit.LEVELS))
    far = order(grid, -2).client_order_id
    change = step(grid, ticker(1010, 1))
    assert canceled(change) == {far}
    (reason,) = [each.reason_code for each in change.decisions if isinstance(each, CancelOrder)]
    assert reason is DecisionReason.MAX_POSITION
    assert not placed(change)
    assert levels(placed(end(grid, far)), Side.BUY) == [0]


def test_a_lowered_limit_cancels_the_farthest_orders() -> None:
    grid = started(LIMITED)
    far = {order(grid, level).client_order_id for level in (-2, -3)}
    change = step(grid, command(CommandName.SET, changes={"max_position": "1 levels"}))
    assert canceled(change) == far


def test_the_sides_of_a_neutral_grid_are_limited_apart() -> None:
    grid = started(limited("1", PositionUnit.LEVELS, NEUTRAL))
    fill(grid, -1)
    assert order(grid, 1).side is Side.SELL
    assert [slot.level for slot in state_of(grid).slots.values() if slot.order and slot.order.opens] == [1]


@pytest.mark.parametrize(
    ("value", "unit", "orders"), [("250", PositionUnit.QUOTE, 2), ("0.2", PositionUnit.BALANCE, 2)]
)
def test_a_limit_in_quote_or_of_the_balance(value: str, unit: PositionUnit, orders: int) -> None:
    grid = started(limited(value, unit))
    grid.process([balance(1000)])
    assert sum(slot.order is not None for slot in state_of(grid).slots.values()) == orders


def test_a_share_of_an_unknown_balance_is_nothing() -> None:
    grid = started(limited("0.2", PositionUnit.BALANCE))
    assert grid.why_not_quoting() is NotQuoting.MAX_POSITION


def test_the_gateway_is_told_the_limit_and_what_is_held() -> None:
    grid = started(LIMITED)
    fill(grid, -1)
    summary = risk_summary(state_of(grid))
    assert (summary.max_buy, summary.max_sell) == (D(600), D(0))
    assert (summary.held_long, summary.held_short) == (D("99.990"), D(0))


def test_what_is_reported_before_its_trades_is_in_the_summary() -> None:
    grid = started(LONG)
    buy = order(grid, -1)
    step(grid, report(buy.client_order_id, OrderStatus.FILLED, str(buy.quantity)))
    assert risk_summary(state_of(grid)).missing_long == buy.quantity * buy.price
    step(grid, trade(buy))
    assert risk_summary(state_of(grid)).missing_long == 0
