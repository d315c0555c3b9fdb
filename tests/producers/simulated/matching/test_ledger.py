"""Ledger: exact cost, realized profit and fees."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from producers.simulated.matching.ledger import Holding, fee_of, max_fees
from schemas.units import Symbol

TRADES = st.lists(
    st.tuples(
        st.integers(-500, 500).filter(bool).map(lambda lots: lots * Decimal("0.001")),
        st.integers(1, 100_000).map(lambda ticks: ticks * Decimal("0.1")),
    ),
    min_size=1,
    max_size=30,
)


def holding_after(*trades: tuple[str, str]) -> tuple[Holding, Decimal]:
    holding = Holding(symbol=Symbol("X"))
    realized = sum((holding.trade(Decimal(q), Decimal(p)) for q, p in trades), Decimal(0))
    return holding, realized


def test_adding_to_a_position_averages_the_entry_price() -> None:
    holding, realized = holding_after(("1", "100"), ("3", "104"))

    assert (holding.entry_price(), holding.quantity, realized) == (Decimal(103), Decimal(4), Decimal(0))


def test_partial_close_realizes_profit_and_keeps_the_entry_price() -> None:
    holding, realized = holding_after(("2", "100"), ("-1", "105"))

    assert (holding.entry_price(), holding.quantity, realized) == (Decimal(100), Decimal(1), Decimal(5))


def test_short_profits_from_a_falling_price() -> None:
    holding, realized = holding_after(("-2", "100"), ("2", "90"))

    assert (holding.quantity, holding.cost, realized) == (Decimal(0), Decimal(0), Decimal(20))


def test_trade_through_zero_closes_and_reverses_the_position() -> None:
    holding, realized = holding_after(("1", "100"), ("-3", "110"))

    assert (holding.quantity, holding.entry_price(), realized) == (Decimal(-2), Decimal(110), Decimal(10))


def test_unrealized_profit_is_that_of_closing() -> None:
    holding, _ = holding_after(("-2", "100"))

    assert holding.unrealized(Decimal(99)) == Decimal(2)


@given(TRADES)
def test_realized_minus_cost_equals_the_cash_flow(trades: list[tuple[Decimal, Decimal]]) -> None:
    holding = Holding(symbol=Symbol("X"))
    realized = sum((holding.trade(quantity, price) for quantity, price in trades), Decimal(0))

    assert realized - holding.cost == sum(-quantity * price for quantity, price in trades)
    assert holding.quantity == sum(quantity for quantity, _ in trades)
    assert holding.quantity or not holding.cost


def test_fee_is_rounded_up() -> None:
    assert fee_of(Decimal("0.00001"), Decimal("0.0002")) == Decimal("0.00000001")


def test_rebate_is_rounded_down() -> None:
    assert fee_of(Decimal("0.00011"), Decimal("-0.0001")) == Decimal("-0.00000001")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 10**6))
def test_fees_of_any_split_stay_within_max_fees(parts: list[int], ticks: int) -> None:
    lot, price, rate = Decimal("0.001"), ticks * Decimal("0.01"), Decimal("0.0007")
    paid = sum(fee_of(price * part * lot, rate) for part in parts)

    assert paid <= max_fees(price, sum(parts) * lot, lot, rate)
