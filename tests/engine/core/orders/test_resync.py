"""Resynchronization: nothing is placed until the venue has answered; then ids of a new generation where needed."""

import msgspec

from engine.core.blocking import halted_by
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised
from schemas.engine.journal import ResyncRequired
from schemas.formats import TRADE_OVERLAP_NS
from schemas.grid.view import NotQuoting
from schemas.units import ClientOrderId, Side
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.order_ids import order_id, parse_order_id
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    START,
    canceled,
    command,
    end,
    order,
    placed,
    queried,
    report,
    started,
    state_of,
    step,
    ticker,
    trade,
)
from tests.engine.core.orders.test_reconciliation import all_open, open_order

REQUIRED = ResyncRequired(
    request_id="r1", reason="ORDERS was purged", raises_generation=False, generation=1, time=START
)
RAISING = msgspec.structs.replace(REQUIRED, raises_generation=True)


def answer(*orders: OpenOrder, answers: tuple[str, ...] = ("r1",)) -> OpenOrders:
    return OpenOrders(venue=SIM, symbol=BTC, orders=orders, includes=0, time=START, answers=answers)


def generations(ids: list[ClientOrderId]) -> set[int]:
    return {parts.generation for each in ids if (parts := parse_order_id(each)) is not None}


def test_nothing_is_placed_until_the_sweep_that_answers() -> None:
    grid = started()
    step(grid, REQUIRED)
    finished = order(grid, -1).client_order_id
    assert placed(step(grid, report(finished, OrderStatus.CANCELED))) == []
    assert placed(step(grid, ticker(1030))) == []
    still_open = all_open(grid)
    assert placed(step(grid, answer(*still_open, answers=("other",)))) == []
    assert placed(step(grid, answer(*still_open))) != []
    assert state_of(grid).resync is None


def test_both_ends_are_told() -> None:
    grid = started()
    notices = [*step(grid, REQUIRED).notices, *step(grid, answer()).notices]
    assert [each.code for each in notices if isinstance(each, AlertRaised)] == [
        "resync_started",
        "resync_ended",
    ]


def test_the_reason_for_not_quoting_is_named() -> None:
    grid = started()
    step(grid, REQUIRED)
    for each in state_of(grid).slots.values():
        each.order = None
    assert grid.why_not_quoting() is NotQuoting.RESYNCING


def test_orders_are_canceled_meanwhile() -> None:
    grid = started()
    step(grid, REQUIRED)
    orders = {each.order.client_order_id for each in state_of(grid).slots.values() if each.order}
    assert canceled(step(grid, command(CommandName.STOP))) == orders
    assert halted_by(state_of(grid)) is NotQuoting.STOPPED


def test_an_order_missing_in_the_answer_is_queried() -> None:
    grid = started()
    step(grid, REQUIRED)
    missing, *others = [each.order for each in state_of(grid).slots.values() if each.order]
    change = step(grid, answer(*map(open_order, others)))
    assert queried(change.decisions) == {missing.client_order_id}


def test_the_generation_stays_unless_ids_may_be_in_use() -> None:
    grid = started()
    orders = [each.order for each in state_of(grid).slots.values() if each.order]
    step(grid, REQUIRED)
    assert canceled(step(grid, answer(*map(open_order, orders)))) == set()
    assert state_of(grid).generation == 1


def test_a_new_generation_is_above_every_one_seen() -> None:
    grid = started()
    state = state_of(grid)
    step(grid, RAISING)
    traded = trade(order(grid, -1))
    unknown = order_id(state.instance, BTC, 5, -9, Side.BUY, 1)
    step(grid, msgspec.structs.replace(traded, client_order_id=unknown))
    open_there = msgspec.structs.replace(
        open_order(order(grid, -1)), client_order_id=order_id(state.instance, BTC, 7, -8, Side.BUY, 1)
    )
    change = step(grid, answer(open_there))
    assert state.generation == 8
    assert canceled(change) == {open_there.client_order_id}
    assert generations([each.client_order_id for each in placed(change)]) <= {8}


def test_open_orders_of_older_generations_are_canceled_and_replaced() -> None:
    grid = started()
    orders = [each.order for each in state_of(grid).slots.values() if each.order]
    step(grid, RAISING)
    change = step(grid, answer(*map(open_order, orders)))
    assert canceled(change) == {each.client_order_id for each in orders}
    replaced = end(grid, *(each.client_order_id for each in orders))
    assert generations([each.client_order_id for each in placed(replaced)]) == {2}


def test_a_second_loss_extends_the_first() -> None:
    grid = started()
    step(grid, RAISING)
    step(grid, msgspec.structs.replace(REQUIRED, request_id="r2", generation=4))
    resync = state_of(grid).resync
    assert resync is not None
    assert (resync.request_id, resync.raises_generation, resync.generation) == ("r2", True, 4)
    step(grid, answer(answers=("r2",)))
    assert state_of(grid).generation == 5


def test_accounts_and_slots_are_kept() -> None:
    grid = started()
    step(grid, trade(order(grid, -1), "0.05"))
    accounts = msgspec.json.encode(state_of(grid).accounts)
    step(grid, RAISING)
    step(grid, answer())
    assert msgspec.json.encode(state_of(grid).accounts) == accounts


def test_trades_of_unknown_orders_are_summed_up_at_the_end() -> None:
    grid = started()
    state = state_of(grid)
    step(grid, RAISING)
    for number in (1, 2):
        unknown = order_id(state.instance, BTC, 1, -9, Side.BUY, number)
        traded = msgspec.structs.replace(trade(order(grid, -1)), client_order_id=unknown)
        assert step(grid, traded).notices == ()
    (alert,) = [each for each in step(grid, answer()).notices if isinstance(each, AlertRaised)]
    assert "2 trades of unknown orders were booked" in alert.detail


def test_a_trade_that_a_resynchronization_read_is_no_news_later() -> None:
    grid = started()
    state = state_of(grid)
    traded = trade(order(grid, -1))
    step(grid, traded, report(traded.client_order_id, OrderStatus.FILLED, traded.quantity))
    step(grid, REQUIRED)
    read = msgspec.structs.replace(answer(), trades_since=START, complete_through=START + 1)
    step(grid, read)
    state.booked_through = START + 2 * TRADE_OVERLAP_NS
    state.booked_trades.clear()
    state.finished.clear()
    assert grid.process([traded]) is None
    early = msgspec.structs.replace(traded, time=START - 1)
    assert [each.code for each in step(grid, early).notices if isinstance(each, AlertRaised)] == [
        "late_trade_unknown_order"
    ]
