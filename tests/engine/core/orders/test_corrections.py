"""Corrections: prices of explaining trades, slots, accounts, and ids that are never booked again."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.grid import Grid
from engine.core.orders.corrections import MAX_UNBOOKED_TRADES, correct
from engine.core.view import view
from schemas.engine.events import AlertRaised, CorrectedSlot, PositionCorrected
from schemas.units import ClientOrderId, Side, TradeId
from schemas.venue.orders import Trade
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    NEUTRAL,
    SPOT,
    D,
    accept_all,
    at,
    draft_of,
    end,
    fill,
    order,
    position,
    slot,
    started,
    state_of,
    step,
    trade,
)


def holding(instrument_lots: int = 3) -> Grid:
    """Return a grid that holds 0.101, 0.102 and 0.103 at the levels -1 to -3."""
    grid = started(NEUTRAL)
    for level in range(-1, -1 - instrument_lots, -1):
        fill(grid, level)
    accept_all(grid)
    return grid


def foreign(name: str, quantity: str, price: int, *, fee: str = "0", seconds: float = 1) -> Trade:
    """Return a trade of the account that is not the grid's; a negative quantity is a sale."""
    signed = D(quantity)
    return Trade(
        venue=SIM,
        symbol=BTC,
        trade_id=TradeId(name),
        client_order_id=ClientOrderId(""),
        side=Side.BUY if signed > 0 else Side.SELL,
        price=D(price),
        quantity=abs(signed),
        fee=D(fee),
        fee_asset="USDT",
        is_maker=False,
        time=at(seconds),
    )


def corrected(grid: Grid, gap: str, price: int | None = 1000) -> PositionCorrected:
    return correct(draft_of(grid, price), D(gap), reason="test", operator="ann")


def test_correction_books_at_the_price_of_the_explaining_trade() -> None:
    grid = holding()
    step(grid, foreign("liquidation", "-0.306", 900, fee="2"))
    booked = corrected(grid, "-0.306")
    assert (booked.price, booked.cost, booked.fee) == (D(900), D("-275.4"), D(2))
    assert booked.trade_ids == ("liquidation",)
    assert state_of(grid).accounts.position == 0
    assert state_of(grid).booked_trades[TradeId("liquidation")] == at(1)


def test_what_no_trade_explains_is_booked_at_the_newest_price() -> None:
    grid = holding()
    step(grid, foreign("a", "-0.1", 900))
    booked = corrected(grid, "-0.3")
    assert booked.cost == D("-90") - D("200")
    assert booked.price == D("966.7")
    assert booked.trade_ids == ("a",)


def test_newest_trades_in_its_direction_explain_a_difference() -> None:
    grid = holding()
    step(grid, foreign("old", "-0.2", 800), foreign("buy", "0.5", 700, seconds=2))
    step(grid, foreign("new", "-0.1", 900, fee="1", seconds=3))
    booked = corrected(grid, "-0.05")
    assert (booked.price, booked.fee, booked.trade_ids) == (D(900), D("0.5"), ("new",))


@pytest.mark.parametrize("gap", ["-0.306", "-0.25", "-0.101", "0.2", "-0.4"])
def test_accounts_stay_balanced(gap: str) -> None:
    grid = holding()
    step(grid, foreign("a", "-0.15", 900, fee="0.3"), foreign("b", "-0.07", 880, fee="0.1", seconds=2))
    before = state_of(grid).accounts.grid_profit
    booked = corrected(grid, gap)
    state, found = state_of(grid), view(state_of(grid), 1, D(1234))
    assert sum((each.held for each in state.slots.values()), Decimal(0)) == state.accounts.position
    assert state.accounts.grid_profit == before + booked.grid_profit
    assert sum((each.quantity for each in booked.slots), Decimal(0)) == D(gap) == booked.quantity
    assert found.total_profit == found.grid_profit + found.unpaired_profit - state.accounts.unmatched_fees


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(-400, 400).filter(bool), st.integers(1, 2000)), max_size=6),
    st.integers(-600, 600).filter(bool),
)
def test_any_correction_keeps_the_accounts_balanced(trades: list[tuple[int, int]], lots: int) -> None:
    grid = holding()
    for i, (signed, price) in enumerate(trades):
        grid.process([foreign(f"t{i}", str(D(signed) / 1000), price, fee="0.07", seconds=i)])
    fees = state_of(grid).accounts.fees
    booked = corrected(grid, str(D(lots) / 1000))
    state, found = state_of(grid), view(state_of(grid), 1, D(1234))
    assert sum((each.held for each in state.slots.values()), Decimal(0)) == state.accounts.position
    assert state.accounts.position == D("0.306") + booked.quantity == booked.position
    assert state.accounts.fees == fees + booked.fee
    assert found.total_profit == found.grid_profit + found.unpaired_profit - state.accounts.unmatched_fees
    assert set(booked.trade_ids) <= state.booked_trades.keys()


def test_profit_includes_the_fees_of_both_sides() -> None:
    grid = holding(1)  # 0.101 bought at 990 for a fee of 0.02
    step(grid, foreign("a", "-0.101", 900, fee="0.5"))
    assert corrected(grid, "-0.101").grid_profit == D("0.101") * -90 - D("0.02") - D("0.5")


def test_farthest_slots_are_reduced_first() -> None:
    grid = holding()
    booked = corrected(grid, "-0.15")
    assert booked.slots == (
        CorrectedSlot(level=-3, quantity=D("-0.103")),
        CorrectedSlot(level=-2, quantity=D("-0.047")),
    )
    assert slot(grid, -2).held == D("0.055")


def test_explained_trade_is_never_booked() -> None:
    grid = holding()
    known = foreign("a", "-0.306", 900)
    step(grid, known)
    corrected(grid, "-0.306")
    grid.process([])  # the orders that have nothing left to close are canceled
    own = replace(known, client_order_id=order(grid, -1).client_order_id)
    for repeated in (known, own):
        assert grid.process([repeated]) is None


def test_own_trade_that_is_told_explains_a_difference_and_is_told_once() -> None:
    grid = holding()
    old = replace(foreign("a", "-0.1", 900, seconds=-1), client_order_id=order(grid, -1).client_order_id)
    end(grid, old.client_order_id)
    state_of(grid).finished.clear()
    (alert,) = step(grid, old).notices
    assert isinstance(alert, AlertRaised)
    assert corrected(grid, "-0.1").trade_ids == ("a",)
    grid.process([])  # the orders that have nothing left to close are canceled
    assert grid.process([old]) is None


def test_trades_of_a_matching_position_are_forgotten() -> None:
    grid = holding()
    step(grid, foreign("a", "-0.1", 900), foreign("b", "0.1", 900))
    step(grid, position("0.306", 2))
    assert not state_of(grid).unbooked_trades


def test_newest_trades_are_remembered_once() -> None:
    grid = holding()
    trades = [foreign(f"t{i:03}", "0.1", 900, seconds=i) for i in range(MAX_UNBOOKED_TRADES + 1)]
    step(grid, *trades)
    assert state_of(grid).unbooked_trades == trades[1:]
    assert grid.process(trades[-1:]) is None


def test_trade_from_before_the_grid_is_not_remembered() -> None:
    assert holding().process([foreign("a", "0.1", 900, seconds=-1)]) is None


def test_trade_is_not_remembered_before_the_first_own_one_or_on_spot() -> None:
    assert started(NEUTRAL).process([foreign("a", "0.1", 900)]) is None
    spot = started(instrument=SPOT)
    step(spot, trade(order(spot, -1)))
    assert spot.process([foreign("a", "0.1", 900)]) is None


def test_position_older_than_an_explaining_trade_is_not_compared() -> None:
    grid = holding()
    step(grid, foreign("a", "-0.306", 900, seconds=5))
    assert grid.process([position("0.306", 4)]) is None
