"""Rounding to tick and lot sizes."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from schemas.venue.instruments import ceil_to, floor_to

values = st.decimals("0.00000001", "1000000", places=8)
steps = st.sampled_from([Decimal(text) for text in ("0.01", "0.1", "1", "0.5", "0.00000001", "25")])


@given(values, steps)
def test_floor_and_ceiling_enclose_the_value_within_one_step(value: Decimal, step: Decimal) -> None:
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low <= value <= high
    assert high - low in (0, step)
    assert low % step == 0
    assert high % step == 0


def test_the_result_has_the_decimals_of_the_step() -> None:
    assert str(floor_to(Decimal("46319.37"), Decimal("0.10"))) == "46319.30"
    assert str(ceil_to(Decimal("46319.37"), Decimal("0.10"))) == "46319.40"
