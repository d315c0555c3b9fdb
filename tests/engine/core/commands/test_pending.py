"""Results of commands that cancel orders: accepted, then applied once the venue confirmed, or incomplete."""

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.codec import encode
from schemas.engine.control import CommandName, CommandOutcome
from schemas.grid.state import GridState
from schemas.units import ClientOrderId
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    NEUTRAL,
    D,
    accept_all,
    answer,
    answers,
    at,
    command,
    end,
    fill,
    order,
    report,
    settings_of,
    silence,
    started,
    state_of,
    step,
    ticker,
    trade,
)
from tests.engine.core.orders.test_reconciliation import sweep

PAUSE, STOP, FLATTEN, REMOVE = CommandName.PAUSE, CommandName.STOP, CommandName.FLATTEN, CommandName.REMOVE
ACCEPTED, APPLIED, INCOMPLETE = CommandOutcome.ACCEPTED, CommandOutcome.APPLIED, CommandOutcome.INCOMPLETE


def ids(grid: Grid) -> list[ClientOrderId]:
    return [slot.order.client_order_id for slot in state_of(grid).slots.values() if slot.order]


@pytest.mark.parametrize("name", [PAUSE, STOP, FLATTEN, REMOVE, CommandName.TRIP])
def test_command_is_applied_when_the_last_cancel_is_confirmed(name: CommandName) -> None:
    grid = started()
    first = answer(step(grid, command(name)))
    assert (first.outcome, first.orders_canceled, first.orders_out) == (ACCEPTED, 0, 3)
    one, *others = state_of(grid).pending[0].orders
    assert answers(end(grid, one)) == []
    second = answer(end(grid, *others))
    assert (second.outcome, second.orders_canceled, second.orders_out) == (APPLIED, 3, 0)
    assert "3 orders canceled" in second.detail.replace("opening ", "")
    assert not state_of(grid).pending


def test_pause_leaves_closing_orders_and_tells_the_position() -> None:
    grid = started()
    fill(grid, -1)
    accept_all(grid)
    step(grid, command(PAUSE))
    result = answer(end(grid, *state_of(grid).pending[0].orders))
    assert result.detail == "2 opening orders canceled; closing orders and a position of 0.101 BTC stay"
    assert result.position == D("0.101")


def test_an_order_filled_before_its_cancel_counts_apart() -> None:
    grid = started()
    step(grid, command(STOP))
    step(grid, trade(order(grid, -1)))
    result = answer(end(grid, *state_of(grid).pending[0].orders))
    assert result.detail == "2 orders canceled, 1 filled; a position of 0.101 BTC stays"
    assert result.orders_canceled == 2


def test_command_without_orders_is_applied_at_once() -> None:
    grid = started()
    step(grid, command(PAUSE))
    end(grid, *state_of(grid).pending[0].orders)
    result = answer(step(grid, command(STOP)))
    assert (result.outcome, result.detail) == (APPLIED, "0 orders canceled; a position of 0 BTC stays")


def test_command_is_incomplete_ten_seconds_after_the_next_known_time() -> None:
    grid = started()
    step(grid, command(STOP))
    step(grid, ticker(1000, 60))
    assert grid.process([ticker(1000, 69.9)]) is None
    result = answer(step(grid, silence(70)))
    assert (result.outcome, result.orders_out) == (INCOMPLETE, 3)
    assert result.detail == "0 orders canceled, 3 still open; cancels are repeated"
    assert answers(end(grid, *ids(grid))) == []


def test_sweeps_count_for_the_time_out_while_there_is_no_tick() -> None:
    grid = started()
    step(grid, command(STOP))
    step(grid, msgspec.structs.replace(sweep(), time=at(60)))
    late = msgspec.structs.replace(sweep(), time=at(70))
    assert answer(step(grid, late)).outcome is INCOMPLETE


def test_flatten_is_applied_when_flat() -> None:
    grid = started()
    fill(grid, -1)
    accept_all(grid)
    step(grid, command(FLATTEN))
    assert answers(end(grid, *ids(grid))) == []
    result = answer(fill(grid, -1, price=999))
    assert result.outcome is APPLIED
    assert result.detail == "3 orders canceled; flat at 1000, total profit 0.8690 USDT; stopped"


def test_flatten_is_incomplete_after_thirty_seconds() -> None:
    grid = started()
    fill(grid, -1)
    accept_all(grid)
    step(grid, command(FLATTEN))
    end(grid, *ids(grid)[:2])
    step(grid, ticker(1000, 1))
    result = answer(step(grid, silence(31)))
    assert result.outcome is INCOMPLETE
    assert result.detail == "2 orders canceled, 1 still open, 0.101 BTC left; closing continues"


def test_later_command_completes_the_one_that_it_ends() -> None:
    grid = started()
    step(grid, command(STOP))
    end(grid, ids(grid)[0])
    ended, resumed = answers(step(grid, command(CommandName.RESUME, command_id="c2")))
    assert (ended.command_id, ended.outcome) == ("c1", INCOMPLETE)
    assert ended.detail == "superseded by resume of ann: 1 order canceled, 2 still open"
    assert (resumed.command_id, resumed.outcome) == ("c2", APPLIED)


def test_remove_is_applied_once_removed_and_incomplete_after_a_fill() -> None:
    grid = started()
    step(grid, command(REMOVE))
    assert answer(end(grid, *ids(grid))).detail == "3 orders canceled; removed, a position of 0 BTC is left"
    other = started()
    step(other, command(REMOVE))
    fill(other, -1)
    result = answer(end(other, *ids(other)))
    assert (result.outcome, "not removed" in result.detail) == (INCOMPLETE, True)


def test_set_waits_for_the_orders_that_it_cancels() -> None:
    grid = started()
    accepted = answer(step(grid, command(CommandName.SET, changes={"buy_window": "1"})))
    assert (accepted.outcome, accepted.orders_out) == (ACCEPTED, 2)
    assert accepted.detail == "buy_window 3 -> 1; 2 orders are being canceled"
    assert (
        answer(end(grid, *state_of(grid).pending[0].orders)).detail == "buy_window 3 -> 1; 2 orders canceled"
    )


def test_report_that_completes_a_command_is_not_held() -> None:
    grid = started(settings_of(NEUTRAL, buy_window=1, sell_window=1))
    step(grid, command(STOP))
    one, other = ids(grid)
    assert grid.process([report(one, OrderStatus.CANCELED)], may_hold=True) is None
    change = grid.process([report(other, OrderStatus.CANCELED)], may_hold=True)
    assert change is not None
    assert (answer(change).outcome, len(change.boundaries)) == (APPLIED, 1)


def test_pending_command_survives_a_restart() -> None:
    grid = started()
    step(grid, command(STOP))
    restarted = Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)
    assert answer(end(restarted, *ids(restarted))).outcome is APPLIED


def test_reconcile_without_a_sweep_is_incomplete() -> None:
    grid = started()
    assert answer(step(grid, command(CommandName.RECONCILE))).outcome is ACCEPTED
    step(grid, ticker(1000, 60))
    result = answer(step(grid, silence(90)))
    assert (result.outcome, result.detail.startswith("no sweep of sim arrived within 30 s")) == (
        INCOMPLETE,
        True,
    )
    assert not state_of(grid).asked


def test_repeated_stop_tells_what_is_still_open() -> None:
    grid = started()
    step(grid, command(STOP))
    result = answer(step(grid, command(STOP, command_id="c2")))
    assert (result.outcome, result.detail) == (
        CommandOutcome.UNCHANGED,
        "already stopped; 3 orders still open",
    )
