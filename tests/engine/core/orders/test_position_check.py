"""The venue's position against the accounts: small differences are corrected, large ones trip."""

import pytest

from engine.core.grid import Grid
from engine.core.orders.position_check import max_correction, on_position
from engine.core.orders.slots import slot_at
from engine.core.step import Change
from engine.core.view import view
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised, CorrectedSlot, PositionCorrected, Reconciled, Severity
from schemas.grid.guard_state import BreakerState
from schemas.venue.orders import OrderStatus, QueryOrder
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    SPOT,
    D,
    accept_all,
    command,
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
    touches,
    trade,
)

HELD = D("0.306")  # 0.101, 0.102 and 0.103 at the levels -1 to -3


def holding() -> Grid:
    """Return a grid that holds three levels, with live closing orders."""
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


def test_matching_position_is_ignored() -> None:
    assert holding().process([position(HELD)]) is None


def test_difference_is_acted_on_at_the_second_pass() -> None:
    grid = holding()
    assert not actions(step(grid, position("0.300")))
    assert actions(step(grid, position("0.300")))


def test_vanished_difference_is_forgotten() -> None:
    grid = holding()
    step(grid, position("0.300"))
    step(grid, position(HELD))
    assert not actions(step(grid, position("0.300")))


def test_excess_is_taken_from_the_farthest_level() -> None:
    grid = holding()
    closing = order(grid, -3).client_order_id
    change = twice(grid, "0.300")
    assert actions(change) == [
        "position 0.300 at the venue, 0.306 in the grid, 0 foreign: booked -0.006 at 1000 as a correction"
    ]
    assert slot(grid, -3).held == D("0.097")
    assert closing in {each.client_order_id for each in change.decisions}


@pytest.mark.parametrize(("quantity", "level"), [("0.310", -1), ("0.300", -3)])
def test_accounts_match_the_venue_after_a_correction(quantity: str, level: int) -> None:
    grid = holding()
    twice(grid, quantity)
    state = state_of(grid)
    assert state.accounts.position == D(quantity) == sum(each.held for each in state.slots.values())
    assert slot(grid, level).held == (D("0.105") if level == -1 else D("0.097"))
    found = view(state, 1, D(900))
    assert found.total_profit == found.grid_profit + found.unpaired_profit - state.accounts.unmatched_fees


def test_correction_may_empty_several_levels() -> None:
    grid = holding()
    state = state_of(grid)
    for each in state.slots.values():
        each.held, each.cost = D(0), D(0)
    state.slots[-1].held, state.slots[-2].held = D("0.305"), D("0.001")
    twice(grid, "0.300")
    assert (slot(grid, -2).held, slot(grid, -1).held) == (D(0), D("0.3"))


def test_correction_without_a_holding_level_goes_to_the_center() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    fill(grid, 1)
    state = state_of(grid)
    state.slots[-1].held, state.accounts.position = D("-0.001"), D("-0.1")
    accept_all(grid)
    twice(grid, "-0.096")
    assert state_of(grid).accounts.position == D("-0.096")


def test_large_difference_trips_the_breaker() -> None:
    grid = holding()
    change = twice(grid, "0.250")
    assert actions(change) == [
        "position 0.250 at the venue, 0.306 in the grid, 0 foreign: the circuit breaker is open"
    ]
    assert state_of(grid).breaker.state is BreakerState.OPEN
    assert grid.process([position("0.250")]) is None


@pytest.mark.parametrize(("limit", "is_large"), [("auto", False), ("6 USDT", False), ("5.9 USDT", True)])
def test_difference_worth_more_than_the_limit_trips(limit: str, *, is_large: bool) -> None:
    grid = holding()
    grid.process([command(CommandName.SET, changes={"max_correction": limit})])
    twice(grid, "0.300")  # 6 USDT at 1000, 2 % of the position
    assert (state_of(grid).breaker.state is BreakerState.OPEN) is is_large


def test_default_limit_is_a_tenth_of_an_order() -> None:
    grid = holding()
    assert max_correction(state_of(grid).settings) == LONG.order_amount / 10
    twice(grid, "0.2959")  # 10.1 USDT
    assert state_of(grid).breaker.state is BreakerState.OPEN


def test_correction_is_published_with_an_alert() -> None:
    change = twice(holding(), "0.300")
    (corrected,) = (each for each in change.notices if isinstance(each, PositionCorrected))
    (alert,) = (each for each in change.notices if isinstance(each, AlertRaised))
    assert (corrected.quantity, corrected.price, corrected.cost) == (D("-0.006"), D(1000), D(-6))
    assert (corrected.position, corrected.operator) == (D("0.300"), "")
    assert corrected.slots == (CorrectedSlot(level=-3, quantity=D("-0.006")),)
    assert (alert.severity, alert.code) == (Severity.MEDIUM, "position_corrected")


def test_confirmed_difference_is_shown_until_it_vanishes() -> None:
    grid = holding()
    step(grid, position("0.250"))
    assert view(state_of(grid), 1).venue_position is None
    step(grid, position("0.250"))
    assert view(state_of(grid), 1).venue_position == D("0.250")
    step(grid, position(HELD))
    assert view(state_of(grid), 1).venue_position is None


def test_difference_is_told_once_while_the_breaker_is_open() -> None:
    grid = holding()
    step(grid, command(CommandName.TRIP))
    step(grid, position("0.250"))
    (alert,) = step(grid, position("0.250")).notices
    assert isinstance(alert, AlertRaised)
    assert alert.code == "position_differs"
    assert grid.process([position("0.250")]) is None


def test_position_older_than_the_last_trade_is_ignored() -> None:
    grid = holding()
    state_of(grid).traded_time += 1
    assert grid.process([position("0.250")]) is None


def test_position_is_not_compared_while_orders_are_queried() -> None:
    grid = holding()
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.CANCELED, "0.05"))
    assert grid.process([position("0.250")]) is None


def test_position_before_the_first_trade_is_foreign() -> None:
    grid = started(NEUTRAL)
    step(grid, position(5))
    assert grid.process([position(5)]) is None
    step(grid, trade(order(grid, -1)), ticker(1000, 1))
    accept_all(grid)
    assert grid.process([position("5.101", 1)]) is None


def test_spot_position_is_not_compared() -> None:
    grid = started(LONG, instrument=SPOT)
    assert grid.process([position(5)]) is None


def is_acted_on(grid: Grid, quantity: str) -> bool:
    """Apply a position whose difference an earlier pass found too, and return whether it is acted on."""
    state_of(grid).position_gap = D(quantity) - state_of(grid).accounts.position
    return touches(on_position, draft_of(grid, 1000), position(quantity))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ended", OrderStatus.CANCELED),
        ("reported_quantity", D("0.05")),
        ("unconfirmed_passes", 1),
        ("asked_time", 1),
    ],
)
def test_order_in_flight_explains_a_difference(field: str, value: object) -> None:
    grid = holding()
    assert is_acted_on(grid, "0.250")
    grid = holding()
    setattr(order(grid, -1), field, value)
    assert not is_acted_on(grid, "0.250")


def test_position_is_not_compared_in_a_step_with_decisions() -> None:
    grid = holding()
    draft = draft_of(grid, 1000)
    draft.decide(QueryOrder(client_order_id=order(grid, -1).client_order_id, reason=""))
    assert not touches(on_position, draft, position("0.250"))


@pytest.mark.parametrize(("quantity", "is_large"), [("0.3213", True), ("0.321", False)])
def test_difference_of_five_percent_trips(quantity: str, *, is_large: bool) -> None:
    grid = holding()
    step(grid, command(CommandName.SET, changes={"max_correction": "1000 USDT"}))
    assert is_acted_on(grid, quantity)
    state = state_of(grid)
    assert (state.breaker.state is BreakerState.OPEN) is is_large
    assert (state.position_gap == 0) is not is_large


@pytest.mark.parametrize(("quantity", "level", "held"), [("0.300", -1, "0.095"), ("0.310", -3, "0.107")])
def test_correction_distance_is_measured_from_the_center(quantity: str, level: int, held: str) -> None:
    grid = holding()
    state_of(grid).center = -5
    assert is_acted_on(grid, quantity)
    assert slot(grid, level).held == D(held)


def test_missing_quantity_goes_to_the_nearest_holding_level() -> None:
    grid = holding()
    state_of(grid).center = -5
    slot_at(state_of(grid), -5)
    assert is_acted_on(grid, "0.310")
    assert (slot(grid, -5).held, slot(grid, -3).held) == (D(0), D("0.107"))


def test_missing_trades_of_a_finished_order_explain_a_difference() -> None:
    grid = holding()
    state_of(grid).finished[-1].reported_quantity += 1
    assert not is_acted_on(grid, "0.250")


def test_small_difference_trips_without_a_price() -> None:
    grid = holding()
    state_of(grid).position_gap = D("-0.006")
    assert touches(on_position, draft_of(grid), position("0.300"))
    assert state_of(grid).breaker.state is BreakerState.OPEN


def test_center_takes_a_quantity_that_no_slot_holds() -> None:
    grid = started(NEUTRAL)
    accounts = state_of(grid).accounts
    accounts.opened_trades, accounts.position = 1, D(1)
    assert is_acted_on(grid, "1.01")
    assert slot(grid, 0).held == D("0.01")
