"""The venue's position against ours: corrected when little differs, the breaker opened when much does."""

import pytest

from engine.core.grid import Grid
from engine.core.orders.position_check import on_position
from engine.core.orders.slots import slot_at
from engine.core.step import Change
from engine.core.view import view
from schemas.engine.events import Reconciled
from schemas.grid.state import BreakerState
from schemas.venue.orders import OrderStatus, QueryOrder
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    SPOT,
    D,
    accept_all,
    draft_of,
    fill,
    order,
    position,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

HELD = D("0.306")  # 0.101, 0.102 and 0.103 at the levels -1 to -3


def holding() -> Grid:
    """Return a grid that holds three levels, whose closing orders are out."""
    grid = started(NEUTRAL)
    for level in (-1, -2, -3):
        fill(grid, level)
    accept_all(grid)
    assert state_of(grid).accounts.position == HELD
    return grid


def twice(grid: Grid, quantity: str) -> Change:
    step(grid, position(quantity))
    return step(grid, position(quantity))


def actions(change: Change) -> list[str]:
    return [each.action for each in change.notices if isinstance(each, Reconciled)]


def test_what_agrees_is_nothing() -> None:
    assert holding().process([position(HELD)]) is None


def test_a_difference_is_acted_on_at_the_second_pass() -> None:
    grid = holding()
    assert not actions(step(grid, position("0.300")))
    assert actions(step(grid, position("0.300")))


def test_a_difference_that_goes_away_is_forgotten() -> None:
    grid = holding()
    step(grid, position("0.300"))
    step(grid, position(HELD))
    assert not actions(step(grid, position("0.300")))


def test_too_much_is_taken_from_the_farthest_level() -> None:
    grid = holding()
    closing = order(grid, -3).client_order_id
    change = twice(grid, "0.300")
    assert actions(change) == [
        "the venue has 0.300, the grid 0.306, others 0: -0.006 booked without a trade at 1000"
    ]
    assert slot(grid, -3).held == D("0.097")
    assert closing in {each.client_order_id for each in change.decisions}


@pytest.mark.parametrize(("quantity", "level"), [("0.310", -1), ("0.300", -3)])
def test_the_books_agree_after_a_correction(quantity: str, level: int) -> None:
    grid = holding()
    twice(grid, quantity)
    state = state_of(grid)
    assert state.accounts.position == D(quantity) == sum(each.held for each in state.slots.values())
    assert slot(grid, level).held == (D("0.105") if level == -1 else D("0.097"))
    found = view(state, 1, D(900))
    assert found.total_profit == found.grid_profit + found.unpaired_profit - state.accounts.unmatched_fees


def test_a_correction_may_empty_levels_and_turn_to_others() -> None:
    grid = holding()
    state = state_of(grid)
    for each in state.slots.values():
        each.held, each.cost = D(0), D(0)
    state.slots[-1].held, state.slots[-2].held = D("0.305"), D("0.001")
    twice(grid, "0.300")
    assert (slot(grid, -2).held, slot(grid, -1).held) == (D(0), D("0.3"))


def test_what_no_level_holds_is_given_to_the_center() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    fill(grid, 1)
    state = state_of(grid)
    state.slots[-1].held, state.accounts.position = D("-0.001"), D("-0.1")
    accept_all(grid)
    twice(grid, "-0.096")
    assert state_of(grid).accounts.position == D("-0.096")


def test_much_opens_the_breaker() -> None:
    grid = holding()
    change = twice(grid, "0.250")
    assert actions(change) == ["the venue has 0.250, the grid 0.306, others 0: the circuit breaker is open"]
    assert state_of(grid).breaker.state is BreakerState.OPEN
    assert grid.process([position("0.250")]) is None


def test_a_position_from_before_a_trade_says_nothing() -> None:
    grid = holding()
    state_of(grid).traded_time += 1
    assert grid.process([position("0.250")]) is None


def test_while_orders_are_asked_for_nothing_is_compared() -> None:
    grid = holding()
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.CANCELED, "0.05"))
    assert grid.process([position("0.250")]) is None


def test_what_was_there_before_the_first_trade_is_anothers() -> None:
    grid = started(NEUTRAL)
    step(grid, position(5))
    assert grid.process([position(5)]) is None
    step(grid, trade(order(grid, -1)), ticker(1000, 1))
    accept_all(grid)
    assert grid.process([position("5.101", 1)]) is None


def test_spot_may_hold_what_is_not_the_grids() -> None:
    grid = started(LONG, instrument=SPOT)
    assert grid.process([position(5)]) is None


def seen_twice(grid: Grid, quantity: str) -> bool:
    """Show a position whose difference an earlier pass found as well."""
    state_of(grid).position_gap = D(quantity) - state_of(grid).accounts.position
    return on_position(draft_of(grid, 1000), position(quantity))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ended", OrderStatus.CANCELED),
        ("reported_quantity", D("0.05")),
        ("unconfirmed_passes", 1),
        ("asked_time", 1),
    ],
)
def test_what_is_under_way_explains_a_difference(field: str, value: object) -> None:
    grid = holding()
    assert seen_twice(grid, "0.250")
    grid = holding()
    setattr(order(grid, -1), field, value)
    assert not seen_twice(grid, "0.250")


def test_a_sweep_that_found_something_to_ask_for_is_not_compared() -> None:
    grid = holding()
    draft = draft_of(grid, 1000)
    draft.decide(QueryOrder(client_order_id=order(grid, -1).client_order_id, reason=""))
    assert not on_position(draft, position("0.250"))


@pytest.mark.parametrize(("quantity", "is_much"), [("0.3213", True), ("0.321", False)])
def test_a_twentieth_of_the_position_is_much(quantity: str, *, is_much: bool) -> None:
    grid = holding()
    assert seen_twice(grid, quantity)
    state = state_of(grid)
    assert (state.breaker.state is BreakerState.OPEN) is is_much
    assert (state.position_gap == 0) is not is_much


@pytest.mark.parametrize(("quantity", "level", "held"), [("0.300", -1, "0.095"), ("0.310", -3, "0.107")])
def test_far_and_near_are_meant_from_the_center(quantity: str, level: int, held: str) -> None:
    grid = holding()
    state_of(grid).center = -5
    assert seen_twice(grid, quantity)
    assert slot(grid, level).held == D(held)


def test_what_is_too_little_is_given_to_a_level_that_holds() -> None:
    grid = holding()
    state_of(grid).center = -5
    slot_at(state_of(grid), -5)
    assert seen_twice(grid, "0.310")
    assert (slot(grid, -5).held, slot(grid, -3).held) == (D(0), D("0.107"))


def test_trades_that_a_finished_order_owes_explain_a_difference() -> None:
    grid = holding()
    state_of(grid).finished[-1].reported_quantity += 1
    assert not seen_twice(grid, "0.250")


def test_without_a_price_even_a_little_opens_the_breaker() -> None:
    grid = holding()
    state_of(grid).position_gap = D("-0.006")
    assert on_position(draft_of(grid), position("0.300"))
    assert state_of(grid).breaker.state is BreakerState.OPEN


def test_the_center_takes_what_nobody_holds() -> None:
    grid = started(NEUTRAL)
    accounts = state_of(grid).accounts
    accounts.opened_trades, accounts.position = 1, D(1)
    assert seen_twice(grid, "1.01")
    assert slot(grid, 0).held == D("0.01")
