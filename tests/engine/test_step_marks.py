"""Marks that are read from the inputs and steps of the core."""

from collections.abc import Iterator

import msgspec
import pytest

from bus import marks
from engine.core.grid import Grid
from engine.step_marks import mark_step, mark_trade
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import Notice
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM, STEP
from tests.engine.core.examples import order, report, started, state_of, trade

replace = msgspec.structs.replace


@pytest.fixture(autouse=True)
def _from_zero() -> Iterator[None]:
    marks.reset()
    yield
    marks.reset()


@pytest.fixture
def grid() -> Grid:
    return started()


def test_a_trade_that_was_booked_is_marked_as_duplicate(grid: Grid) -> None:
    filled = trade(order(grid, -1), "0.1")
    mark_trade(state_of(grid), filled)
    assert not marks.counts()

    grid.process([filled])
    mark_trade(state_of(grid), filled)
    assert marks.counts() == {"duplicate_trade_ignored": 1}


def test_a_trade_after_the_report_of_a_cancel_is_marked(grid: Grid) -> None:
    canceled = order(grid, -1)
    late = trade(canceled, "0.1")
    grid.process([report(canceled.client_order_id, OrderStatus.CANCELED, "0.1")])

    mark_trade(state_of(grid), late)
    assert marks.counts() == {"late_trade_after_cancel": 1}


def test_a_trade_of_a_finished_order_is_marked(grid: Grid) -> None:
    canceled = order(grid, -1)
    grid.process([report(canceled.client_order_id, OrderStatus.CANCELED)])

    mark_trade(state_of(grid), trade(canceled, "0.1"))
    assert marks.counts() == {"trade_of_finished_order": 1}


def test_an_alert_of_a_step_is_marked() -> None:
    found: Notice = AlertRaised(
        venue=SIM, symbol=BTC, severity=Severity.LOW, code="resync_ended", detail="", step=1, time=1
    )
    mark_step(replace(STEP, notices=(found,)), None)

    assert marks.counts() == {"resync_ended": 1}
