"""Profit as displayed: the parts add up to the total, whatever the amounts."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.grid.profit import ProfitParts, profit_parts, rounded, shown_digits
from tests.liveserver import events

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=12)


def parts_of(grid: Decimal, unpaired: Decimal, fees: Decimal, funding: Decimal) -> ProfitParts:
    return ProfitParts(
        total=grid + unpaired + fees + funding,
        grid_profit=grid,
        unpaired=unpaired,
        open_fees=fees,
        funding=funding,
    )


@given(grid=AMOUNTS, unpaired=AMOUNTS, fees=AMOUNTS, funding=AMOUNTS)
@example(Decimal("0.1849"), Decimal("-1.4149"), Decimal("-0.0749"), Decimal(0))
@example(Decimal("1.4499"), Decimal("-13.8843"), Decimal("-0.2688"), Decimal(0))
@example(Decimal("0.005"), Decimal("0.005"), Decimal("0.005"), Decimal("0.005"))
def test_shown_parts_add_up_to_the_shown_total(
    grid: Decimal, unpaired: Decimal, fees: Decimal, funding: Decimal
) -> None:
    exact = parts_of(grid, unpaired, fees, funding)
    shown, unit = rounded(exact), Decimal(1).scaleb(-shown_digits(exact))

    assert shown.grid_profit + shown.unpaired + shown.open_fees + shown.funding == shown.total
    assert abs(shown.total - exact.total) <= unit / 2
    assert abs(shown.unpaired - exact.unpaired) <= 2 * unit
    amounts = [getattr(shown, name) for name in ProfitParts.__struct_fields__]
    assert {-int(amount.as_tuple().exponent) for amount in amounts} == {shown_digits(exact)}
    assert not any(amount.is_signed() for amount in amounts if not amount)


def test_a_price_moves_only_total_and_unpaired() -> None:
    grid = replace(events.grid(), grid_profit=Decimal("0.184"), fees=Decimal("0.074"))
    shown = [rounded(profit_parts(grid, Decimal(100) + Decimal(i) / 1000)) for i in range(50)]

    assert len({(each.grid_profit, each.open_fees, each.funding) for each in shown}) == 1
    assert len({each.total for each in shown}) > 3


def test_profit_at_the_price_of_the_step_is_that_of_the_grid() -> None:
    grid = events.grid()

    assert profit_parts(grid) == profit_parts(grid, grid.price)
    assert profit_parts(grid).total == grid.total_profit


@pytest.mark.parametrize(
    ("largest", "digits"), [("0", 2), ("12.3", 2), ("0.1", 2), ("0.05", 4), ("0.00012", 8)]
)
def test_small_amounts_have_more_digits(largest: str, digits: int) -> None:
    assert shown_digits(parts_of(Decimal(0), Decimal(largest), Decimal(0), Decimal(0))) == digits
