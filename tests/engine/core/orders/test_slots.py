"""The life of a slot's order, and ids that never come twice."""

import itertools

import msgspec
import pytest

from engine.core.orders.slots import (
    FINISHED_KEPT,
    NEXT_STATE,
    Progress,
    advance,
    finish_order,
    is_forgotten,
    is_working,
    note_answer,
    open_order,
    retire_cycle,
    slot_at,
    tidy,
)
from schemas.grid.state import GridState, SlotOrder, SlotOrderState
from schemas.units import ClientOrderId, Side
from schemas.venue.order_ids import OrderName, order_id, parse_order_id
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
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


def name_of(state: GridState, level: int, cycle: int, generation: int = 1) -> OrderName:
    name = parse_order_id(order_id(state.instance, state.symbol, generation, level, Side.BUY, cycle))
    assert name is not None
    return name


def test_only_an_unknown_order_of_ours_and_of_this_generation_is_forgotten() -> None:
    grid = started()
    state, ended = state_of(grid), order(grid, -1).client_order_id
    fill(grid, -1)
    unknown = [order_id(state.instance, state.symbol, number, -1, Side.BUY, 9) for number in (1, 2)]
    assert [is_forgotten(state, each) for each in unknown] == [True, False]
    assert not is_forgotten(state, ended)
    assert not is_forgotten(state, order(grid, -1).client_order_id)
    assert not is_forgotten(state, ClientOrderId("theirs"))


def test_a_slot_is_freed_once() -> None:
    grid = started()
    state, free = state_of(grid), slot(grid, -1)
    order(grid, -1).ended = OrderStatus.CANCELED
    assert finish_order(state, free)
    assert not finish_order(state, free)
    assert (free.cycle, len(state.finished)) == (2, 1)


def test_a_retired_cycle_is_past_for_a_free_slot_and_for_the_next_of_a_taken_one() -> None:
    state = state_of(started())
    free, taken = slot_at(state, 7), slot_at(state, -1)
    for each in (free, taken):
        retire_cycle(state, name_of(state, each.level, 5))
    assert (free.cycle, taken.cycle, state.next_cycle) == (6, 5, 6)


def idle_after_tidying(grid: GridState, *levels: int) -> list[int]:
    """Return those of the levels whose idle slots stay."""
    for level in levels:
        slot_at(grid, level).order = None
    tidy(grid)
    return [level for level in levels if level in grid.slots]


def test_idle_slots_of_the_window_stay() -> None:
    state = state_of(started(msgspec.structs.replace(NEUTRAL, buy_window=2, sell_window=4)))
    state.slots.clear()
    assert idle_after_tidying(state, -3, -2, 0, 4, 5) == [-2, 0, 4]
    state.stride = 2
    assert idle_after_tidying(state, -5, -4, 8, 9) == [-4, 8]


def test_above_the_center_a_long_grid_has_no_window() -> None:
    state = state_of(started())
    assert idle_after_tidying(state, -4, -3, 0, 1) == [-3, 0]


def test_quiet_lasts_until_its_end() -> None:
    state = state_of(started())
    slot_at(state, 9).quiet_until = state.time + 1
    assert idle_after_tidying(state, 9) == [9]
    state.time += 1
    assert idle_after_tidying(state, 9) == []


def test_an_order_works_until_it_ends_or_is_to_be_canceled() -> None:
    grid = started()
    first, second = order(grid, -1), order(grid, -2)
    assert is_working(first)
    first.ended = OrderStatus.FILLED
    second.state = SlotOrderState.CANCEL_REQUESTED
    assert not is_working(first)
    assert not is_working(second)


def test_an_answer_is_one_when_it_was_asked_for_and_no_trade_is_owed() -> None:
    some = order(started(), -1)
    assert not note_answer(some)
    some.asked_time, some.reported_quantity = 5, D("0.05")
    assert not note_answer(some)
    some.traded_quantity = D("0.05")
    assert note_answer(some)
    assert some.asked_time == 0
