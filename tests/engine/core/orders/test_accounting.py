"""Accounting of trades, fees, funding and corrections, exact to the last digit."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.arithmetic import share
from engine.core.orders.accounting import MAX_FUNDING_IDS, book_correction
from engine.core.view import view
from schemas.engine.events import AlertRaised
from schemas.units import Side, TimeNs
from schemas.venue.order_ids import order_id
from schemas.venue.orders import Funding, OrderStatus
from tests.builders import BTC
from tests.engine.core.examples import (
    NEUTRAL,
    SPOT,
    START,
    D,
    draft_of,
    fill,
    notices,
    order,
    report,
    slot,
    started,
    state_of,
    step,
    trade,
)

replace = msgspec.structs.replace


def funding(name: str, amount: str, time: TimeNs = START) -> Funding:
    some = trade(order(started(), -1))
    return Funding(
        venue=some.venue,
        symbol=some.symbol,
        funding_id=name,
        amount=D(amount),
        rate=D(0),
        position=D(0),
        time=time,
    )


def test_opening_trade_makes_no_profit() -> None:
    grid = started()
    (booked,) = fill(grid, -1).fills
    assert (booked.opens, booked.grid_profit, booked.position) == (True, D(0), D("0.101"))
    accounts = state_of(grid).accounts
    assert (accounts.cash, accounts.fees, accounts.unmatched_fees) == (D("-99.99"), D("0.02"), D("0.02"))


def test_round_trip_makes_the_interval_less_both_fees() -> None:
    grid = started()
    fill(grid, -1)
    (booked,) = fill(grid, -1).fills
    assert (booked.opens, booked.grid_profit) == (False, D("0.101") * 10 - D("0.04"))
    accounts = state_of(grid).accounts
    assert (accounts.grid_profit, accounts.cash) == (D("0.97"), D("1.01"))
    assert accounts.position == accounts.unmatched_fees == 0
    assert accounts.fees == D("0.04")


def test_short_profits_from_a_falling_price() -> None:
    grid = started(NEUTRAL)
    fill(grid, 1)
    (booked,) = fill(grid, 1, price=990).fills
    assert booked.grid_profit == D("0.099") * 20 - D("0.04")
    assert slot(grid, 1).held == 0


def test_partial_close_takes_its_share_of_cost_and_fees() -> None:
    grid = started()
    fill(grid, -1)
    change = step(grid, trade(order(grid, -1), "0.05", fee="0.01"))
    assert change.fills[0].grid_profit == D("0.5") - D("0.01") - D("0.00990099")
    assert slot(grid, -1).cost == D("0.051") * 990
    assert slot(grid, -1).entry_fees == D("0.02") - D("0.00990099")


def test_last_part_takes_the_remainder() -> None:
    grid = started()
    fill(grid, -1)
    for quantity in ("0.033", "0.033", "0.035"):
        step(grid, trade(order(grid, -1), quantity))
    assert slot(grid, -1).cost == slot(grid, -1).entry_fees == 0
    assert state_of(grid).accounts.grid_profit == D("1.01") - D("0.08")


def test_reversing_trade_closes_and_opens() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    unknown = order_id("sqt", BTC, 1, -1, Side.SELL, 7)
    turned = replace(trade(order(grid, -1)), client_order_id=unknown, quantity=D("0.151"), fee=D("0.0302"))
    (booked,) = step(grid, turned).fills
    assert not booked.opens
    assert booked.grid_profit == D("1.01") - D("0.02") - D("0.0202")
    assert (slot(grid, -1).held, slot(grid, -1).cost) == (D("-0.05"), D(-50))
    assert slot(grid, -1).entry_fees == D("0.01")


def test_counts_and_volume() -> None:
    grid = started()
    fill(grid, -1)
    fill(grid, -1)
    accounts = state_of(grid).accounts
    assert (accounts.opened_trades, accounts.closed_trades) == (1, 1)
    assert accounts.volume == D("0.101") * 1990


def test_base_fee_is_valued_at_the_trade_price() -> None:
    grid = started(instrument=SPOT)
    step(grid, trade(order(grid, -1), fee="0.0001", fee_asset="BTC"))
    assert state_of(grid).accounts.fees == D("0.099")


def test_fees_without_a_price_are_summed_apart_and_told_once_for_each_asset() -> None:
    grid = started()
    changes = [
        step(grid, trade(order(grid, level), fee="0.001", fee_asset=asset))
        for level, asset in ((-1, "BNB"), (-2, "BNB"), (-3, "OKB"))
    ]
    alerts = [[each.code for each in change.notices if isinstance(each, AlertRaised)] for change in changes]
    assert alerts == [["fee_not_counted"], [], ["fee_not_counted"]]
    assert state_of(grid).accounts.fees == 0
    assert state_of(grid).accounts.fees_other == {"BNB": D("0.002"), "OKB": D("0.001")}
    assert view(state_of(grid), 1).fees_other == {"BNB": D("0.002"), "OKB": D("0.001")}


@pytest.mark.parametrize(
    ("asset", "stated", "value"),
    [("USDT", None, "0.02"), ("BTC", None, "19.8"), ("BNB", "3", "3"), ("BNB", None, None)],
)
def test_a_fill_states_the_value_of_its_fee(asset: str, stated: str | None, value: str | None) -> None:
    grid = started(instrument=SPOT)
    charged = replace(trade(order(grid, -1), fee="0.02", fee_asset=asset), fee_value=stated and D(stated))
    (booked,) = step(grid, charged).fills
    assert (booked.fee, booked.fee_asset) == (D("0.02"), asset)
    assert booked.fee_value == (value and D(value))
    assert booked.is_fee_estimated is (None if value is None else False)
    assert state_of(grid).accounts.fees == D(value or 0)


def test_zero_fee_needs_no_price() -> None:
    grid = started()
    assert not notices(step(grid, trade(order(grid, -1), fee="0", fee_asset="")))


def test_rebate_is_a_negative_fee() -> None:
    grid = started()
    step(grid, trade(order(grid, -1), fee="-0.01"))
    assert state_of(grid).accounts.fees == D("-0.01")


def test_funding_is_booked_once() -> None:
    grid = started()
    assert grid.process([funding("f1", "-0.5")]) is not None
    assert grid.process([funding("f1", "-0.5")]) is None
    step(grid, funding("f2", "0.2"))
    assert state_of(grid).accounts.funding == D("-0.3")


def test_funding_from_before_the_first_price_is_told_once_and_not_booked() -> None:
    grid = started()
    (alert,) = step(grid, funding("old", "-77", START - 1)).notices
    assert isinstance(alert, AlertRaised)
    assert alert.code == "late_funding"
    assert grid.process([funding("old", "-77", START - 1)]) is None
    assert state_of(grid).accounts.funding == 0


def test_funding_older_than_the_known_payments_is_not_booked_again() -> None:
    grid = started()
    payments = [funding(f"f{number}", "1", START + number) for number in range(MAX_FUNDING_IDS + 2)]
    step(grid, *payments)
    step(grid, *payments)
    assert state_of(grid).accounts.funding == len(payments)
    assert state_of(grid).alerted_ids == ["f0", "f1"]


def test_funding_ids_are_bounded() -> None:
    grid = started()
    step(grid, *(funding(f"f{number}", "1", START + number) for number in range(MAX_FUNDING_IDS + 5)))
    assert len(state_of(grid).booked_funding) == MAX_FUNDING_IDS
    assert state_of(grid).accounts.funding == MAX_FUNDING_IDS + 5


def test_fill_carries_the_trade() -> None:
    grid = started()
    bought = trade(order(grid, -1), "0.05", name="t-77")
    (booked,) = step(grid, bought, report(bought.client_order_id, OrderStatus.NEW)).fills
    assert (booked.trade_id, booked.level, booked.side) == ("t-77", -1, Side.BUY)
    assert (booked.price, booked.quantity, booked.fee) == (D(990), D("0.05"), D("0.02"))
    assert booked.step == grid.step


AMOUNTS = st.decimals("-1000", "1000", places=6)


@given(whole=AMOUNTS, parts=st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_shares_add_up_to_the_whole(whole: D, parts: list[int]) -> None:
    left, total = whole, sum(parts)
    for part in parts:
        taken = share(left, D(part), D(total))
        left, total = left - taken, total - part
    assert left == 0


@pytest.mark.parametrize("whole", ["0", "7.5"])
def test_share_of_zero_is_zero(whole: str) -> None:
    assert share(D(whole), D(0), D(0)) == 0


def test_closing_fill_carries_the_round_trip_profit() -> None:
    grid = started()
    assert fill(grid, -1).fills[0].round_trip is None
    closing = order(grid, -1)
    assert step(grid, trade(closing, "0.05", fee="0")).fills[0].round_trip is None
    assert step(grid, trade(closing, "0.051", fee="0")).fills[0].round_trip == D("0.99")


@pytest.mark.parametrize(("correction", "left"), [("-0.101", "0"), ("-0.1", "0.5")])
def test_correction_that_empties_a_slot_ends_its_round_trip(correction: str, left: str) -> None:
    grid = started()
    fill(grid, -1)
    held = slot(grid, -1)
    held.round_profit = D("0.5")
    book_correction(draft_of(grid, 1000), held, D(correction), D(1000), D(0))
    assert (held.held, held.round_profit) == (D("0.101") + D(correction), D(left))


def test_an_estimated_fee_counts_and_is_marked() -> None:
    grid = started()
    charged = replace(
        trade(order(grid, -1), fee="0.0005", fee_asset="BNB"), fee_value=D("0.3"), is_fee_estimated=True
    )
    change = step(grid, charged)
    assert not notices(change)
    assert state_of(grid).accounts.fees == D("0.3")
    assert change.fills[0].is_fee_estimated
