"""The mark of booked trades: each trade is booked once, however often and however late it is read."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.orders.booked_trades import MAX_ALERTED_IDS
from schemas.engine.events import AlertRaised
from schemas.formats import TRADE_OVERLAP_NS
from schemas.units import SECOND_NS, Side, TimeNs, TradeId
from schemas.venue.account import OpenOrders
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderStatus, Trade
from tests.builders import BTC, SIM
from tests.engine.core.examples import START, D, order, report, slot, started, state_of, step, trade

OVERLAP_S = TRADE_OVERLAP_NS // SECOND_NS


def sweep(complete_through: TimeNs) -> OpenOrders:
    return OpenOrders(
        venue=SIM, symbol=BTC, orders=(), includes=0, time=complete_through, complete_through=complete_through
    )


def without_orders(seconds: int = 0) -> tuple[Grid, Trade]:
    """Return a grid that forgot its only trade's order, with the trade. It places no orders."""
    grid = started()
    traded = trade(order(grid, -1), "0.05")
    step(grid, traded, report(traded.client_order_id, OrderStatus.CANCELED, "0.05"))
    state = state_of(grid)
    for each in state.slots.values():
        each.order, each.quiet_until = None, 2**62
    state.finished.clear()
    return grid, traded


def codes(grid: Grid, *trades: Trade) -> list[str]:
    change = grid.process(trades)
    return [] if change is None else [each.code for each in change.notices if isinstance(each, AlertRaised)]


def later(traded: Trade, seconds: float, name: str = "new") -> Trade:
    return msgspec.structs.replace(traded, trade_id=TradeId(name), time=START + int(seconds * SECOND_NS))


def test_the_mark_starts_at_the_first_price() -> None:
    assert state_of(started()).booked_through == START


def test_a_booked_trade_of_a_forgotten_order_is_not_booked_again() -> None:
    grid, traded = without_orders()
    assert codes(grid, traded) == []
    assert state_of(grid).accounts.position == D("0.05")


def test_an_unknown_trade_newer_than_the_mark_is_booked_once_at_the_level_of_its_id() -> None:
    grid, traded = without_orders()
    unknown = msgspec.structs.replace(
        later(traded, 5),
        client_order_id=order_id(state_of(grid).instance, BTC, 1, -7, Side.BUY, 9),
    )
    assert codes(grid, unknown) == ["late_trade_booked"]
    assert codes(grid, unknown) == []
    assert slot(grid, -7).held == D("0.05")
    assert state_of(grid).accounts.position == D("0.10")


def test_a_trade_from_before_the_first_price_is_told_once_and_not_booked() -> None:
    grid, traded = without_orders()
    early = later(traded, -1)
    assert codes(grid, early) == ["late_trade_unknown_order"]
    assert codes(grid, early) == []
    assert state_of(grid).accounts.position == D("0.05")


def test_a_trade_older_than_the_mark_less_the_overlap_is_told_once_and_not_booked() -> None:
    grid, traded = without_orders()
    step(grid, sweep(START + 3 * TRADE_OVERLAP_NS))
    late = later(traded, 2 * OVERLAP_S)
    assert codes(grid, late) == ["late_trade_unknown_order"]
    assert codes(grid, late) == []
    assert codes(grid, later(traded, 2 * OVERLAP_S + 1, "within")) == ["late_trade_booked"]


def test_the_mark_moves_only_when_ids_can_be_dropped() -> None:
    grid, _ = without_orders()
    assert grid.process([sweep(START + TRADE_OVERLAP_NS - 1)]) is None
    step(grid, sweep(START + TRADE_OVERLAP_NS))
    state = state_of(grid)
    assert (state.booked_through, state.booked_trades) == (START + TRADE_OVERLAP_NS, {})
    assert grid.process([sweep(START + 9 * TRADE_OVERLAP_NS)]) is None


def test_the_mark_does_not_pass_the_decision_of_an_unfinished_order() -> None:
    grid = started()
    traded = trade(order(grid, -1))
    step(grid, traded, report(traded.client_order_id, OrderStatus.FILLED, "0.1"))
    decided = order(grid, -2).decided_time
    grid.process([sweep(START + 9 * TRADE_OVERLAP_NS)])
    assert state_of(grid).booked_through == decided == START
    assert traded.trade_id in state_of(grid).booked_trades


def test_an_old_trade_of_an_unfinished_order_is_booked() -> None:
    grid = started()
    state_of(grid).booked_through = START + 9 * TRADE_OVERLAP_NS
    step(grid, trade(order(grid, -1), "0.05"))
    assert state_of(grid).accounts.position == D("0.05")


def test_a_sweep_of_version_1_moves_nothing() -> None:
    grid, traded = without_orders()
    assert grid.process([sweep(0)]) is None
    assert traded.trade_id in state_of(grid).booked_trades


def test_the_ids_of_told_trades_are_bounded() -> None:
    grid, traded = without_orders()
    for number in range(MAX_ALERTED_IDS + 3):
        codes(grid, later(traded, -1, f"early{number}"))
    assert len(state_of(grid).alerted_ids) == MAX_ALERTED_IDS


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_reading_all_stored_trades_again_changes_nothing(repeats: int) -> None:
    grid = started()
    trades = [trade(order(grid, level), "0.03") for level in (-1, -2, -3)]
    step(grid, *trades, report(trades[0].client_order_id, OrderStatus.CANCELED, "0.03"))
    before = msgspec.json.encode(state_of(grid))
    for _ in range(repeats):
        assert grid.process(trades) is None
    assert msgspec.json.encode(state_of(grid)) == before
