"""Order reports, trades and cancel rejections: what ends an order and what is booked."""

import itertools

import msgspec
import pytest

from engine.core.orders.slots import MAX_FINISHED_ORDERS
from schemas.engine.events import AlertRaised
from schemas.engine.journal import Input
from schemas.grid.state import SlotOrderState
from schemas.units import SECOND_NS, ClientOrderId, Side
from schemas.venue.order_ids import order_id
from schemas.venue.orders import CancelRejected, OrderStatus, RejectReason
from tests.builders import BTC
from tests.engine.core.examples import (
    START,
    D,
    fill,
    order,
    placed,
    queried,
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


def cancel_rejected(client_order_id: ClientOrderId) -> CancelRejected:
    some = trade(order(started(), -1))
    return CancelRejected(venue=some.venue, symbol=some.symbol, client_order_id=client_order_id, time=0)


def test_accepted_order_is_open() -> None:
    grid = started()
    assert order(grid, -1).state is SlotOrderState.OPEN


def test_repeated_report_is_ignored() -> None:
    grid = started()
    repeated = report(order(grid, -1).client_order_id, OrderStatus.PARTIALLY_FILLED, "0.05")
    assert grid.process([repeated]) is not None
    assert grid.process([repeated]) is None


def test_late_report_does_not_undo_a_cancel() -> None:
    grid = started()
    far = order(grid, -3)
    step(grid, ticker(1010))
    assert grid.process([report(far.client_order_id, OrderStatus.NEW)]) is None
    assert far.state is SlotOrderState.CANCEL_REQUESTED


def test_trade_before_any_report_is_booked() -> None:
    grid = started()
    step(grid, ticker(1010))
    requested = order(grid, 0)
    step(grid, trade(requested, "0.01"), ticker(1006, 1))
    assert requested.state is SlotOrderState.OPEN
    assert slot(grid, 0).held == D("0.01")


def test_trades_of_the_full_quantity_end_an_order() -> None:
    grid = started()
    bought = order(grid, -1).client_order_id
    fill(grid, -1)
    assert order(grid, -1).side is Side.SELL
    assert grid.process([report(bought, OrderStatus.FILLED, "0.101")]) is None


def test_report_books_nothing() -> None:
    grid = started()
    change = step(grid, report(order(grid, -1).client_order_id, OrderStatus.FILLED, "0.101"))
    assert not change.fills
    assert slot(grid, -1).held == 0


def test_ended_order_waits_for_its_trades() -> None:
    grid = started()
    bought = order(grid, -1)
    change = step(grid, report(bought.client_order_id, OrderStatus.FILLED, "0.101"))
    assert not change.decisions
    assert bought.ended is OrderStatus.FILLED
    assert placed(step(grid, trade(bought)))[0].side is Side.SELL


def test_trade_is_booked_once() -> None:
    grid = started()
    bought = trade(order(grid, -1), "0.05")
    assert grid.process([bought]) is not None
    assert grid.process([bought]) is None
    assert slot(grid, -1).held == D("0.05")


@pytest.mark.parametrize("message_order", list(itertools.permutations(range(4))))
def test_accounts_do_not_depend_on_message_order(message_order: tuple[int, ...]) -> None:
    grid = started()
    bought = order(grid, -1)
    name = bought.client_order_id
    messages: list[Input] = [
        trade(bought, "0.05"),
        trade(bought, "0.02"),
        report(name, OrderStatus.PARTIALLY_FILLED, "0.05"),
        report(name, OrderStatus.CANCELED, "0.07"),
    ]
    for index in message_order:
        grid.process([messages[index], messages[index]])
    assert slot(grid, -1).held == D("0.07")
    assert order(grid, -1).quantity == D("0.07")


def test_fill_after_a_cancel_is_booked() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, report(bought.client_order_id, OrderStatus.CANCELED))
    late = trade(bought, "0.05")
    step(grid, late)
    assert slot(grid, -1).held == D("0.05")
    assert grid.process([late]) is None


def test_late_fill_recreates_a_dropped_slot() -> None:
    grid = started()
    bought = order(grid, -3)
    step(grid, ticker(1090))
    step(grid, report(bought.client_order_id, OrderStatus.CANCELED))
    assert -3 not in state_of(grid).slots
    step(grid, trade(bought, "0.05"))
    assert slot(grid, -3).held == D("0.05")


def test_late_checksum_of_a_finished_order_is_kept() -> None:
    grid = started()
    bought = order(grid, -1).client_order_id
    step(grid, report(bought, OrderStatus.CANCELED))
    step(grid, report(bought, OrderStatus.CANCELED, "0.05"))
    assert state_of(grid).finished[-1].reported_quantity == D("0.05")
    assert grid.process([report(bought, OrderStatus.CANCELED, "0.05")]) is None


def test_second_terminal_report_is_ignored() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, report(bought.client_order_id, OrderStatus.CANCELED, "0.05"))
    assert grid.process([report(bought.client_order_id, OrderStatus.EXPIRED, "0.05")]) is None
    assert bought.ended is OrderStatus.CANCELED


@pytest.mark.parametrize("name", ["", "foreign", order_id("abc", BTC, 1, -1, Side.BUY, 1)])
def test_foreign_order_is_ignored(name: str) -> None:
    grid = started()
    foreign = replace(trade(order(grid, -1)), client_order_id=ClientOrderId(name))
    assert grid.process([foreign]) is None
    assert grid.process([report(ClientOrderId(name), OrderStatus.FILLED, 1)]) is None
    assert grid.process([cancel_rejected(ClientOrderId(name))]) is None


def test_report_of_a_forgotten_order_is_ignored() -> None:
    grid = started()
    canceled = order(grid, -1).client_order_id
    step(grid, report(canceled, OrderStatus.CANCELED))
    del state_of(grid).finished[:]
    assert grid.process([report(canceled, OrderStatus.CANCELED, 1)]) is None
    assert MAX_FINISHED_ORDERS > 50


def test_seen_cycle_is_never_used() -> None:
    grid = started()
    state = state_of(grid)
    ahead = order_id(state.instance, state.symbol, 1, -1, Side.BUY, 7)
    step(grid, replace(trade(order(grid, -1)), client_order_id=ahead))
    step(grid, report(order(grid, -1).client_order_id, OrderStatus.CANCELED))
    assert slot(grid, -1).cycle == 8
    assert state.next_cycle == 8


def test_cycles_are_independent_between_generations() -> None:
    grid = started()
    state = state_of(grid)
    other = order_id(state.instance, state.symbol, 2, -1, Side.BUY, 7)
    step(grid, replace(trade(order(grid, -1)), client_order_id=other))
    assert (slot(grid, -1).cycle, state.next_cycle) == (1, 1)


def test_rejected_cancel_is_queried() -> None:
    grid = started()
    far = order(grid, -3)
    step(grid, ticker(1010))
    change = step(grid, cancel_rejected(far.client_order_id))
    assert queried(change.decisions) == {far.client_order_id}
    assert order(grid, -3) is far


def test_rejected_cancel_of_an_ended_order_is_ignored() -> None:
    grid = started()
    bought = order(grid, -1).client_order_id
    step(grid, report(bought, OrderStatus.FILLED, "0.101"))
    assert grid.process([cancel_rejected(bought)]) is None
    step(grid, trade(order(grid, -1)))
    assert grid.process([cancel_rejected(bought)]) is None


def test_duplicate_id_rejection_is_queried_and_ends_nothing() -> None:
    grid = started()
    bought = order(grid, -1)
    change = step(
        grid, report(bought.client_order_id, OrderStatus.REJECTED, reason=RejectReason.DUPLICATE_ID)
    )
    assert queried(change.decisions) == {bought.client_order_id}
    assert order(grid, -1) is bought


def test_late_fills_may_reverse_a_slot() -> None:
    grid = started()
    bought = order(grid, -1)
    fill(grid, -1)
    sold = order(grid, -1)
    step(grid, report(sold.client_order_id, OrderStatus.CANCELED))
    step(grid, ticker(1001, 5))
    fill(grid, -1)
    second = order(grid, -1).client_order_id
    step(grid, trade(sold))
    assert slot(grid, -1).held == -bought.quantity
    step(grid, report(second, OrderStatus.CANCELED), silence(9))
    change = step(grid, silence(10))
    assert [(each.side, each.price) for each in placed(change)] == [(Side.BUY, D(980))]


def test_repeated_query_is_decided_once_a_step() -> None:
    grid = started()
    rejected = cancel_rejected(order(grid, -1).client_order_id)
    assert len(step(grid, rejected, rejected).decisions) == 1


@pytest.mark.parametrize("field", ["price", "quantity", "fee"])
@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_trade_with_a_non_finite_amount_is_rejected(field: str, value: str) -> None:
    grid = started()
    some = replace(trade(order(grid, -1)), **{field: D(value)})
    with pytest.raises(ValueError, match="not a finite amount"):
        grid.process([some])


@pytest.mark.parametrize(
    "changes",
    [{"side": Side.SELL}, {"quantity": D("0.102")}, {"time": START - 61 * SECOND_NS}],
    ids=["another side", "more than the order", "before the order"],
)
def test_a_trade_that_contradicts_its_order_is_not_booked_and_told(changes: dict[str, object]) -> None:
    grid = started()
    change = step(grid, replace(trade(order(grid, -1)), **changes))
    assert not change.fills
    assert slot(grid, -1).held == 0
    (alert,) = [each for each in change.notices if isinstance(each, AlertRaised)]
    assert alert.code == "late_trade_unknown_order"
    assert grid.process([ticker(1000, 1)]) is None
