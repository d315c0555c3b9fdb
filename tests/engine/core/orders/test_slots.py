"""Life cycle of slot orders, and unique order ids."""

import itertools

import msgspec
import pytest

from engine.core.orders.slots import (
    MAX_FINISHED_ORDERS,
    NEXT_STATE,
    Progress,
    advance,
    clear_query,
    drop_idle_slots,
    finish_order,
    is_working,
    open_order,
    retire_cycle,
    slot_at,
)
from schemas.grid.state import GridState, SlotOrder, SlotOrderState
from schemas.units import ClientOrderId, Side
from schemas.venue.order_ids import OrderIdParts, order_id, parse_order_id
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    draft_of,
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
def test_advance_follows_the_transition_table(state: SlotOrderState, progress: Progress) -> None:
    draft = draft_of(started())
    some = SlotOrder(
        client_order_id=ClientOrderId("x"),
        side=Side.BUY,
        price=D(1),
        quantity=D(1),
        opens=True,
    )
    some.state, some.unconfirmed_passes = state, 1
    advance(draft, some, progress)
    is_changed = some.state is not state
    assert some.state is NEXT_STATE[state][progress]
    assert draft.touches == is_changed
    assert some.unconfirmed_passes == (0 if is_changed else 1)


def test_cancel_requested_is_never_left() -> None:
    reachable = NEXT_STATE[SlotOrderState.CANCEL_REQUESTED].values()
    assert set(reachable) == {SlotOrderState.CANCEL_REQUESTED}


def test_order_id_contains_level_and_cycle() -> None:
    name = parse_order_id(order(started(), -2).client_order_id)
    assert name is not None
    assert (name.instance, name.generation, name.level, name.cycle) == ("sqt", 1, -2, 1)


def test_cycle_grows_when_the_order_is_finished() -> None:
    grid = started()
    bought = order(grid, -1)
    step(grid, report(bought.client_order_id, OrderStatus.CANCELED, "0.05"))
    assert slot(grid, -1).cycle == 1
    step(grid, trade(bought, "0.05"))
    assert slot(grid, -1).cycle == 2


def test_dropped_slot_passes_on_its_cycle() -> None:
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


def test_paused_slot_is_kept_outside_the_window() -> None:
    grid = started()
    rejected = order(grid, -3).client_order_id
    step(grid, report(rejected, OrderStatus.REJECTED))
    step(grid, ticker(1050, 30))
    assert slot(grid, -3).order is None
    step(grid, ticker(1060, 90))
    assert -3 not in state_of(grid).slots


def test_finished_orders_are_bounded() -> None:
    grid = started()
    for number in range(MAX_FINISHED_ORDERS + 10):
        ended = order(grid, -1).client_order_id
        step(grid, report(ended, OrderStatus.NOT_PLACED), ticker(1000, 2 * number))
        step(grid, ticker(1000, 2 * number + 1))
    assert len(state_of(grid).finished) == MAX_FINISHED_ORDERS


def test_second_order_in_a_slot_is_an_assertion_error() -> None:
    grid = started()
    with pytest.raises(AssertionError):
        open_order(state_of(grid), slot(grid, -1), order(grid, -2))


def test_generation_is_kept() -> None:
    grid = started(msgspec.structs.replace(LONG, buy_window=1))
    assert state_of(grid).generation == 1


def name_of(state: GridState, level: int, cycle: int, generation: int = 1) -> OrderIdParts:
    name = parse_order_id(order_id(state.instance, state.symbol, generation, level, Side.BUY, cycle))
    assert name is not None
    return name


def test_slot_is_freed_once() -> None:
    grid = started()
    draft, free = draft_of(grid), slot(grid, -1)
    order(grid, -1).ended = OrderStatus.CANCELED
    finish_order(draft, free)
    assert draft.touches == 1
    finish_order(draft, free)
    assert draft.touches == 1
    assert (free.cycle, len(draft.state.finished)) == (2, 1)


def test_retired_cycle_is_skipped_by_free_and_occupied_slots() -> None:
    state = state_of(started())
    free, taken = slot_at(state, 7), slot_at(state, -1)
    for each in (free, taken):
        retire_cycle(state, name_of(state, each.level, 5))
    assert (free.cycle, taken.cycle, state.next_cycle) == (6, 5, 6)


def kept_idle_slots(grid: GridState, *levels: int) -> list[int]:
    """Return the levels whose idle slots are kept."""
    for level in levels:
        slot_at(grid, level).order = None
    drop_idle_slots(grid)
    return [level for level in levels if level in grid.slots]


def test_idle_slots_of_the_window_are_kept() -> None:
    state = state_of(started(msgspec.structs.replace(NEUTRAL, buy_window=2, sell_window=4)))
    state.slots.clear()
    assert kept_idle_slots(state, -3, -2, 0, 4, 5) == [-2, 0, 4]
    state.stride = 2
    assert kept_idle_slots(state, -5, -4, 8, 9) == [-4, 8]


def test_long_grid_has_no_window_above_the_center() -> None:
    state = state_of(started())
    assert kept_idle_slots(state, -4, -3, 0, 1) == [-3, 0]


def test_pause_keeps_a_slot_until_it_ends() -> None:
    state = state_of(started())
    slot_at(state, 9).quiet_until = state.time + 1
    assert kept_idle_slots(state, 9) == [9]
    state.time += 1
    assert kept_idle_slots(state, 9) == []


def test_order_works_until_it_ends_or_is_being_canceled() -> None:
    grid = started()
    first, second = order(grid, -1), order(grid, -2)
    assert is_working(first)
    first.ended = OrderStatus.FILLED
    second.state = SlotOrderState.CANCEL_REQUESTED
    assert not is_working(first)
    assert not is_working(second)


def test_query_is_cleared_when_asked_and_no_trade_is_missing() -> None:
    grid = started()
    draft, some = draft_of(grid), order(grid, -1)
    clear_query(draft, some)
    some.asked_time, some.reported_quantity = 5, D("0.05")
    clear_query(draft, some)
    assert draft.touches == 0
    some.traded_quantity = D("0.05")
    clear_query(draft, some)
    assert (draft.touches, some.asked_time) == (1, 0)
