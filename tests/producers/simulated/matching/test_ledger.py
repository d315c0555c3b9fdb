"""What is held and what it cost, and fees: exact."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from producers.simulated.matching.ledger import Holding, fee_of, most_of_fees
from schemas.units import Symbol

TRADES = st.lists(
    st.tuples(
        st.integers(-500, 500).filter(bool).map(lambda lots: lots * Decimal("0.001")),
        st.integers(1, 100_000).map(lambda ticks: ticks * Decimal("0.1")),
    ),
    min_size=1,
    max_size=30,
)


def held(*trades: tuple[str, str]) -> tuple[Holding, Decimal]:
    holding = Holding(symbol=Symbol("X"))
    realized = sum((holding.trade(Decimal(q), Decimal(p)) for q, p in trades), Decimal(0))
    return holding, realized


def test_more_of_the_same_side_averages_the_entry_price() -> None:
    holding, realized = held(("1", "100"), ("3", "104"))

    assert (holding.entry_price(), holding.quantity, realized) == (Decimal(103), Decimal(4), Decimal(0))


def test_closing_a_part_realizes_its_profit_and_keeps_the_entry_price() -> None:
    holding, realized = held(("2", "100"), ("-1", "105"))

    assert (holding.entry_price(), holding.quantity, realized) == (Decimal(100), Decimal(1), Decimal(5))


def test_a_short_gains_when_the_price_falls() -> None:
    holding, realized = held(("-2", "100"), ("2", "90"))

    assert (holding.quantity, holding.cost, realized) == (Decimal(0), Decimal(0), Decimal(20))


def test_a_trade_through_zero_closes_all_and_opens_the_rest() -> None:
    holding, realized = held(("1", "100"), ("-3", "110"))

    assert (holding.quantity, holding.entry_price(), realized) == (Decimal(-2), Decimal(110), Decimal(10))


def test_unrealized_is_what_closing_would_bring() -> None:
    holding, _ = held(("-2", "100"))

    assert holding.unrealized(Decimal(99)) == Decimal(2)


@given(TRADES)
def test_realized_less_cost_is_the_cash_that_flowed(trades: list[tuple[Decimal, Decimal]]) -> None:
    holding = Holding(symbol=Symbol("X"))
    realized = sum((holding.trade(quantity, price) for quantity, price in trades), Decimal(0))

    assert realized - holding.cost == sum(-quantity * price for quantity, price in trades)
    assert holding.quantity == sum(quantity for quantity, _ in trades)
    assert holding.quantity or not holding.cost


def test_a_fee_is_rounded_up() -> None:
    assert fee_of(Decimal("0.00001"), Decimal("0.0002")) == Decimal("0.00000001")


def test_a_rebate_is_rounded_down() -> None:
    assert fee_of(Decimal("0.00011"), Decimal("-0.0001")) == Decimal("-0.00000001")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 10**6))
def test_no_way_of_filling_costs_more_than_the_most_of_fees(parts: list[int], ticks: int) -> None:
    lot, price, rate = Decimal("0.001"), ticks * Decimal("0.01"), Decimal("0.0007")
    paid = sum(fee_of(price * part * lot, rate) for part in parts)

    assert paid <= most_of_fees(price, sum(parts) * lot, lot, rate)
