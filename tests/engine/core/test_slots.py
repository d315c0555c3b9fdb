"""The life of a slot's order, and ids that never come twice."""

import itertools

import msgspec
import pytest
from tests.engine.core.examples import (
    LONG,
    D,
    fill,
    order,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

from engine.core.slots import FINISHED_KEPT, NEXT_STATE, Progress, advance, open_order
from schemas.grid import SlotOrder, SlotOrderState
from schemas.order_ids import parse_order_id
from schemas.orders import OrderStatus
from schemas.units import ClientOrderId


def cycle_of(order: SlotOrder) -> int:
    name = parse_order_id(order.client_order_id)
    assert name is not None
    return name.cycle


@pytest.mark.parametrize(("state", "progress"), list(itertools.product(SlotOrderState, Progress)))
def test_the_table_says_what_follows(state: SlotOrderState, progress: Progress) -> None:
    some = SlotOrder(
        client_order_id=ClientOrderId("x"),
        side=order(started(), -1).side,
        price=D(1),
        quantity=D(1),
        opens=True,
    )
    some.state, some.unconfirmed_passes = state, 1
    changed = advance(some, progress)
    assert some.state is NEXT_STATE[state][progress]
    assert changed is (some.state is not state)
    assert some.unconfirmed_passes == (0 if changed else 1)


def test_no_evidence_undoes_a_cancel() -> None:
    reachable = NEXT_STATE[SlotOrderState.CANCEL_REQUESTED].values()
    assert set(reachable) == {SlotOrderState.CANCEL_REQUESTED}


def test_an_id_names_its_slot() -> None:
    name = parse_order_id(order(started(), -2).client_order_id)
    assert name is not None
    assert (name.instance, name.generation, name.level, name.cycle) == ("sqt", 1, -2, 1)


def test_cycle_grows_when_the_order_ended_for_good() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, report(bought.client_order_id, OrderStatus.CANCELED, "0.05"))
    assert slot(grid, -1).cycle == 1
    step(grid, trade(bought, "0.05"))
    assert slot(grid, -1).cycle == 2


def test_a_dropped_slot_leaves_its_cycle_behind() -> None:
    grid = started()
    fill(grid, -1)
    fill(grid, -1)
    third = order(grid, -1)
    step(grid, ticker(1090, 5))
    step(grid, report(third.client_order_id, OrderStatus.CANCELED))
    assert -1 not in state_of(grid).slots
    step(grid, ticker(1000, 9))
    assert (cycle_of(third), cycle_of(order(grid, -1))) == (3, 4)


def test_slots_are_kept_sorted() -> None:
    grid = started()
    step(grid, ticker(960))
    assert list(state_of(grid).slots) == sorted(state_of(grid).slots)


def test_a_quiet_slot_is_remembered_outside_the_window() -> None:
    grid = started()
    gone = order(grid, -3).client_order_id
    step(grid, report(gone, OrderStatus.REJECTED))
    step(grid, ticker(1050, 30))
    assert slot(grid, -3).order is None
    step(grid, ticker(1060, 90))
    assert -3 not in state_of(grid).slots


def test_finished_orders_are_bounded() -> None:
    grid = started()
    for number in range(FINISHED_KEPT + 10):
        ended = order(grid, -1).client_order_id
        step(grid, report(ended, OrderStatus.NOT_PLACED), ticker(1000, 2 * number))
        step(grid, ticker(1000, 2 * number + 1))
    assert len(state_of(grid).finished) == FINISHED_KEPT


def test_two_orders_in_a_slot_are_a_bug() -> None:
    grid = started()
    with pytest.raises(AssertionError):
        open_order(state_of(grid), slot(grid, -1), order(grid, -2))


def test_neither_mode_nor_generation_is_lost() -> None:
    grid = started(msgspec.structs.replace(LONG, buy_window=1))
    assert state_of(grid).generation == 1
