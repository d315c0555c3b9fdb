"""The view of a grid."""

import pytest

from engine.core.blocking import detail_of
from engine.core.grid import Grid
from engine.core.view import view
from schemas.engine.control import CommandName
from schemas.grid.guard_state import MonitoredSymbol
from schemas.grid.view import GridView, NotQuoting, SlotStatus, SlotView
from schemas.units import Side, Symbol
from tests.builders import BTC
from tests.engine.core.examples import (
    GEOMETRIC,
    LONG,
    NEUTRAL,
    D,
    added,
    command,
    fill,
    order,
    settings_of,
    started,
    state_of,
    step,
    ticker,
    trade,
)


def seen(grid: Grid, mark: int | None = None) -> GridView:
    return view(state_of(grid), grid.step, None if mark is None else D(mark))


def level(grid: Grid, number: int) -> SlotView:
    return next(each for each in seen(grid).slots if each.slot_id == number)


def test_view_before_the_first_price() -> None:
    grid = Grid(None, 0)
    step(grid, added())
    shown = seen(grid)
    assert (shown.anchor_price, shown.price, shown.slots) == (None, None, ())
    assert shown.not_quoting is NotQuoting.NO_PRICE
    assert shown.total_profit == shown.buy_and_hold == 0


def test_long_grid_shows_its_buys_and_the_center() -> None:
    grid = started()
    assert [(each.slot_id, each.price, each.status) for each in seen(grid).slots] == [
        (-3, D(970), SlotStatus.OPEN),
        (-2, D(980), SlotStatus.OPEN),
        (-1, D(990), SlotStatus.OPEN),
        (0, D(1000), SlotStatus.EMPTY),
    ]


def test_neutral_grid_shows_both_sides() -> None:
    sides = [each.side for each in seen(started(NEUTRAL)).slots]
    assert sides == [Side.BUY] * 3 + [None] + [Side.SELL] * 3


def test_filled_slot_shows_its_closing_order() -> None:
    grid = started()
    fill(grid, -1)
    shown = level(grid, -1)
    assert (shown.status, shown.side, shown.held) == (SlotStatus.FILLED, Side.BUY, D("0.101"))
    assert (shown.price, shown.order_price) == (D(990), D(1000))
    assert shown.client_order_id == order(grid, -1).client_order_id


def test_short_slot_is_filled_on_the_sell_side() -> None:
    grid = started(NEUTRAL)
    fill(grid, 1)
    assert (level(grid, 1).side, level(grid, 1).held) == (Side.SELL, D("-0.099"))


def test_slots_outside_the_window_are_shown() -> None:
    grid = started()
    fill(grid, -1)
    step(grid, ticker(1100))
    assert level(grid, -1).status is SlotStatus.FILLED


def test_profit_adds_up() -> None:
    grid = started()
    fill(grid, -1)
    fill(grid, -1)
    step(grid, trade(order(grid, -2)))
    shown = seen(grid, 1001)
    assert shown.grid_profit == D("0.97")
    assert shown.unpaired_profit == D("0.102") * 21
    assert shown.total_profit == shown.grid_profit + shown.unpaired_profit - D("0.02")


def test_buy_and_hold_is_a_full_window() -> None:
    assert seen(started(), 1100).buy_and_hold == 30


def test_mark_defaults_to_the_price_of_the_last_step() -> None:
    grid = started()
    assert (seen(grid).price, seen(grid, 1234).price) == (D(1000), D(1234))


def test_interval_is_shown_for_arithmetic_and_geometric_grids() -> None:
    assert seen(started()).price_interval == 10
    assert seen(started(GEOMETRIC)).price_interval == 10


def test_paused() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    shown = seen(grid)
    assert (shown.paused, shown.not_quoting) == (True, NotQuoting.PAUSED)


def test_detail_explains_the_active_guard() -> None:
    grid = started(NEUTRAL)
    assert seen(grid).not_quoting_detail == ""
    step(grid, command(CommandName.TRIP))
    assert (seen(grid).not_quoting, seen(grid).not_quoting_detail) == (
        NotQuoting.BREAKER_OPEN,
        "opened by ann: test",
    )
    step(grid, command(CommandName.STOP))
    assert (seen(grid).not_quoting, seen(grid).not_quoting_detail) == (NotQuoting.STOPPED, "by ann: test")


def test_market_risk_detail_names_abnormal_symbols() -> None:
    grid = started(NEUTRAL)
    state = state_of(grid)
    state.is_market_risky = True
    state.watched = {BTC: MonitoredSymbol(is_abnormal=True), Symbol("ETH/USDT"): MonitoredSymbol()}
    step(grid, command(CommandName.PAUSE), command(CommandName.RESUME))
    assert (seen(grid).not_quoting, seen(grid).not_quoting_detail) == (NotQuoting.MARKET_RISK, BTC)


def test_inactive_reasons_have_no_detail() -> None:
    state = state_of(started())
    assert detail_of(state, NotQuoting.REMOVED) == detail_of(state, NotQuoting.PREFLIGHT) == ""


def test_entry_price_is_the_average_of_what_the_slots_hold() -> None:
    grid = started()
    assert seen(grid).entry_price is None
    fill(grid, -1)
    assert seen(grid).entry_price == 990
    fill(grid, -2)
    held = state_of(grid).slots
    expected = (held[-1].held * 990 + held[-2].held * 980) / (held[-1].held + held[-2].held)
    assert seen(grid).entry_price == expected.quantize(D("1e-8"))


@pytest.mark.parametrize("name", [CommandName.PAUSE, CommandName.STOP, CommandName.TRIP])
def test_view_names_the_operator_who_halted_and_the_reason(name: CommandName) -> None:
    grid = started()
    assert seen(grid).opens_halted_by == ""
    step(grid, command(name))
    assert seen(grid).opens_halted_by == "ann: test"


def test_a_stop_by_a_guard_names_no_operator() -> None:
    grid = started(settings_of(LONG, stop_below_price=D(950)))
    step(grid, command(CommandName.PAUSE))
    step(grid, ticker(940))
    assert (seen(grid).opens_halted_by, seen(grid).not_quoting) == ("", NotQuoting.FLATTENING)
