"""Changes of the reason for not quoting."""

import pytest

from engine.core.grid import Grid
from schemas.engine.control import CommandName
from schemas.engine.events import QuotingChanged
from schemas.grid.view import NotQuoting
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    added,
    command,
    order,
    quoting_changes,
    report,
    started,
    state_of,
    step,
    ticker,
)


def test_the_first_orders_end_the_wait_for_a_price() -> None:
    change = step(Grid(None, 0), added(LONG), ticker(1000))
    assert quoting_changes(change) == [(NotQuoting.NO_PRICE, None)]


def test_a_change_names_the_reason_before_and_the_new_one() -> None:
    grid = started()
    assert quoting_changes(step(grid, command(CommandName.PAUSE))) == [(None, NotQuoting.PAUSED)]
    assert quoting_changes(step(grid, command(CommandName.STOP))) == [(NotQuoting.PAUSED, NotQuoting.STOPPED)]


def test_a_change_carries_the_detail_of_the_guard() -> None:
    change = step(started(), command(CommandName.TRIP))
    (event,) = (each for each in change.notices if isinstance(each, QuotingChanged))
    assert (event.reason, event.detail, event.step) == (
        NotQuoting.BREAKER_OPEN,
        "opened by ann: test",
        change.step,
    )


def test_a_step_without_a_change_reports_none() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    for level in (-1, -2, -3):
        ended = step(grid, report(order(grid, level).client_order_id, OrderStatus.CANCELED))
        assert quoting_changes(ended) == []


def test_a_short_wait_for_the_venue_is_not_reported() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    assert quoting_changes(step(grid, command(CommandName.RESUME))) == []
    assert grid.why_not_quoting() is NotQuoting.AWAITING_VENUE
    ids = [order(grid, level).client_order_id for level in (-1, -2, -3)]
    change = step(grid, *(report(each, OrderStatus.CANCELED) for each in ids))
    assert quoting_changes(change) == [(NotQuoting.PAUSED, None)]


@pytest.mark.parametrize(
    ("seconds", "changes"), [(0.9, []), (1, [(NotQuoting.PAUSED, NotQuoting.AWAITING_VENUE)])]
)
def test_a_wait_for_the_venue_is_reported_after_a_second(
    seconds: float, changes: list[tuple[NotQuoting, NotQuoting]]
) -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    step(grid, command(CommandName.RESUME))
    later = step(grid, report(order(grid, -1).client_order_id, OrderStatus.NEW, "0.01", seconds=seconds))
    assert quoting_changes(later) == changes


def test_a_state_of_version_1_reports_nothing_at_first() -> None:
    grid = started()
    state_of(grid).quoting = None
    assert quoting_changes(step(grid, command(CommandName.PAUSE))) == []
    assert quoting_changes(step(grid, command(CommandName.STOP))) == [(NotQuoting.PAUSED, NotQuoting.STOPPED)]


def test_a_restarted_grid_continues_the_record() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    restarted = Grid(state_of(grid), grid.step)
    assert quoting_changes(step(restarted, command(CommandName.STOP))) == [
        (NotQuoting.PAUSED, NotQuoting.STOPPED)
    ]
