"""Reconciliation of the venue's open orders with ours."""

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.engine.events import AlertRaised, Reconciled, ReconciliationFinding
from schemas.engine.journal import Notice
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import SlotOrder, SlotOrderState
from schemas.units import SECOND_NS, ClientOrderId, Side
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    D,
    canceled,
    order,
    queried,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace


def open_order(found: SlotOrder, cumulative: str = "0") -> OpenOrder:
    return OpenOrder(
        client_order_id=found.client_order_id,
        venue_order_id="",
        side=found.side,
        price=found.price,
        quantity=found.quantity,
        cumulative_quantity=D(cumulative),
        status=OrderStatus.NEW,
    )


def sweep(*orders: OpenOrder) -> OpenOrders:
    return OpenOrders(venue=SIM, symbol=BTC, orders=orders, includes=0, time=0)


def at(found: OpenOrders, seconds: int) -> OpenOrders:
    return replace(found, time=seconds * SECOND_NS)


def all_open(grid: Grid, *excluded: int) -> list[OpenOrder]:
    slots = state_of(grid).slots
    return [open_order(order(grid, level)) for level in slots if level not in excluded and slots[level].order]


def named(grid: Grid, level: int, cycle: int, generation: int = 1) -> OpenOrder:
    """Return an open order with an id of this grid and any level, cycle and generation."""
    name = order_id("sqt", BTC, generation, level, Side.BUY, cycle)
    return replace(all_open(grid)[0], client_order_id=name)


def findings(notices: tuple[Notice, ...]) -> list[tuple[ReconciliationFinding, str]]:
    assert all(isinstance(each, Reconciled) for each in notices)
    return [(each.finding, each.action) for each in notices if isinstance(each, Reconciled)]


def test_matching_sweep_makes_no_step() -> None:
    grid = started()
    assert grid.process([sweep(*all_open(grid))]) is None


def test_missing_open_order_is_queried() -> None:
    grid = started()
    missing = order(grid, -2)
    change = step(grid, sweep(*all_open(grid, -2)))
    assert queried(change.decisions) == {missing.client_order_id}
    assert findings(change.notices) == []
    assert order(grid, -2) is missing


def test_missing_orders_whose_query_is_unanswered_are_one_finding() -> None:
    grid = started()
    step(grid, at(sweep(), 1))
    change = step(grid, at(sweep(), 12))
    assert len(queried(change.decisions)) == 3
    text = "3 orders are missing at the venue: queried again"
    assert findings(change.notices) == [(ReconciliationFinding.MISSING_THERE, text)]


def test_query_is_not_repeated_by_each_sweep() -> None:
    grid = started()
    missing = at(sweep(*all_open(grid, -1)), 1)
    assert queried(step(grid, missing).decisions)
    assert grid.process([at(missing, 9)]) is None
    assert queried(step(grid, at(missing, 11)).decisions)


def test_answered_query_may_be_repeated() -> None:
    grid = started()
    missing = at(sweep(*all_open(grid, -1)), 1)
    step(grid, missing)
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.NEW))
    assert queried(step(grid, at(missing, 2)).decisions)
    step(grid, at(sweep(*all_open(grid)), 3))
    assert queried(step(grid, at(missing, 4)).decisions)


def test_missing_cancel_requested_order_is_queried() -> None:
    grid = started()
    far = order(grid, -3).client_order_id
    step(grid, ticker(1010))
    assert far in queried(step(grid, sweep(*all_open(grid, -3))).decisions)


def test_missing_requested_order_is_queried_at_the_second_pass() -> None:
    grid = started()
    step(grid, ticker(1010))
    requested = order(grid, 0).client_order_id
    first = step(grid, sweep(*all_open(grid, 0)))
    assert not first.decisions
    assert queried(step(grid, sweep(*all_open(grid, 0))).decisions) >= {requested}


def test_requested_order_in_the_sweep_is_open() -> None:
    grid = started()
    step(grid, ticker(1010))
    step(grid, sweep(*all_open(grid)))
    assert order(grid, 0).state is SlotOrderState.OPEN


def test_cancel_is_repeated_at_the_second_pass() -> None:
    grid = started()
    far = order(grid, -3).client_order_id
    step(grid, ticker(1010))
    everything = sweep(*all_open(grid))
    assert not canceled(step(grid, everything))
    assert canceled(step(grid, everything)) == {far}


def test_missing_trades_of_an_open_order_are_queried() -> None:
    grid = started()
    filled = order(grid, -2)
    change = step(grid, sweep(*all_open(grid, -2), open_order(filled, "0.05")))
    assert queried(change.decisions) == {filled.client_order_id}
    assert findings(change.notices)[0][0] is ReconciliationFinding.TRADES_MISSING
    step(grid, trade(filled, "0.05"))
    assert grid.process([sweep(*all_open(grid, -2), open_order(filled, "0.05"))]) is None


def test_missing_trades_of_an_ended_order_are_queried() -> None:
    grid = started()
    ended = order(grid, -1).client_order_id
    step(grid, report(ended, OrderStatus.FILLED, "0.101"))
    change = step(grid, sweep(*all_open(grid, -1)))
    assert queried(change.decisions) == {ended}
    assert [finding for finding, _ in findings(change.notices)] == [ReconciliationFinding.TRADES_MISSING]


def test_missing_trades_of_a_finished_order_are_queried() -> None:
    grid = started()
    finished = order(grid, -1).client_order_id
    step(grid, report(finished, OrderStatus.CANCELED))
    step(grid, report(finished, OrderStatus.CANCELED, "0.05"))
    assert queried(step(grid, sweep(*all_open(grid))).decisions) == {finished}


def test_finished_order_still_open_is_canceled_at_the_second_pass() -> None:
    grid = started()
    found = open_order(order(grid, -1))
    step(grid, report(found.client_order_id, OrderStatus.NOT_PLACED))
    assert not step(grid, sweep(found, *all_open(grid))).decisions
    assert canceled(step(grid, sweep(found, *all_open(grid)))) == {found.client_order_id}


def test_ended_order_in_an_old_sweep_is_ignored() -> None:
    grid = started()
    found = open_order(order(grid, -1))
    step(grid, report(found.client_order_id, OrderStatus.CANCELED, "0.05"))
    change = step(grid, sweep(*all_open(grid)))
    assert queried(change.decisions) == {found.client_order_id}
    assert not canceled(change)


def test_unknown_order_of_a_free_slot_is_adopted() -> None:
    grid = started()
    unknown = named(grid, -9, 1)
    change = step(grid, sweep(unknown, *all_open(grid)))
    assert (ReconciliationFinding.UNKNOWN_HERE, "adopted") in findings(change.notices)
    adopted = order(grid, -9)
    assert (adopted.client_order_id, adopted.opens) == (unknown.client_order_id, True)


def test_adopted_order_outside_the_window_is_canceled() -> None:
    grid = started()
    unknown = named(grid, -9, 1)
    assert canceled(step(grid, sweep(unknown, *all_open(grid)))) == {unknown.client_order_id}


def test_trades_of_an_adopted_order_are_queried() -> None:
    grid = started()
    unknown = replace(named(grid, -9, 1), cumulative_quantity=D("0.01"))
    change = step(grid, sweep(unknown, *all_open(grid)))
    assert unknown.client_order_id in queried(change.decisions)


def test_known_free_slot_adopts_its_next_order() -> None:
    grid = started()
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.NOT_PLACED))
    unknown = named(grid, -1, 2)
    step(grid, sweep(unknown, *all_open(grid)))
    assert order(grid, -1).client_order_id == unknown.client_order_id


@pytest.mark.parametrize(("level", "cycle", "generation"), [(-1, 7, 1), (-9, 7, 1), (-9, 1, 0)])
def test_unknown_order_without_a_free_slot_is_canceled(level: int, cycle: int, generation: int) -> None:
    grid = started()
    unknown = named(grid, level, cycle, generation)
    change = step(grid, sweep(unknown, *all_open(grid)))
    assert canceled(change) == {unknown.client_order_id}
    assert state_of(grid).next_cycle == (8 if generation == 1 else 1)


def test_orders_of_a_newer_generation_are_left_alone_and_nothing_more_is_opened() -> None:
    grid = started()
    newer = named(grid, -9, 1, 2)
    change = step(grid, sweep(newer, *all_open(grid)))
    assert newer.client_order_id not in canceled(change)
    assert [each.code for each in change.notices if isinstance(each, AlertRaised)] == ["newer_generation"]
    assert state_of(grid).breaker.state is BreakerState.OPEN


@pytest.mark.parametrize("name", ["", "by-hand", order_id("abc", BTC, 1, -1, Side.BUY, 1)])
def test_foreign_orders_are_never_touched(name: str) -> None:
    grid = started()
    foreign = replace(all_open(grid)[0], client_order_id=ClientOrderId(name))
    assert grid.process([sweep(foreign, *all_open(grid))]) is None


def test_sweep_books_nothing() -> None:
    grid = started()
    step(grid, sweep(*all_open(grid, -2), open_order(order(grid, -2), "0.05")))
    assert slot(grid, -2).held == 0
