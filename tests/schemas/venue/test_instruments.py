"""Rounding to tick and lot sizes; price bands, largest orders, leverage brackets, the asset of a fee."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.units import Side
from schemas.venue.instruments import (
    InstrumentKind,
    LeverageBracket,
    PriceBand,
    ceil_to,
    floor_to,
    maintenance_margin,
)
from tests.builders import INSTRUMENT

BRACKETS = (
    LeverageBracket(
        notional_floor=Decimal(0),
        notional_cap=Decimal(50_000),
        maximum_leverage=Decimal(100),
        maintenance_ratio=Decimal("0.005"),
    ),
    LeverageBracket(
        notional_floor=Decimal(50_000),
        notional_cap=Decimal(200_000),
        maximum_leverage=Decimal(20),
        maintenance_ratio=Decimal("0.01"),
    ),
)
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


@pytest.mark.parametrize(
    ("band", "bounds"),
    [
        (PriceBand(), (Decimal(0), None)),
        (PriceBand(below=Decimal("0.1"), above=Decimal("0.2")), (Decimal(900), Decimal(1200))),
        (
            PriceBand(below=Decimal("0.1"), lowest=Decimal(950), highest=Decimal(1010)),
            (Decimal(950), Decimal(1010)),
        ),
        (PriceBand(above=Decimal("0.2"), highest=Decimal(2000)), (Decimal(0), Decimal(1200))),
    ],
)
def test_the_narrower_bound_of_a_price_band_counts(
    band: PriceBand, bounds: tuple[Decimal, Decimal | None]
) -> None:
    assert band.bounds(Decimal(1000)) == bounds
    assert band.accepts(bounds[0], Decimal(1000))
    assert bounds[1] is None or not band.accepts(bounds[1] + 1, Decimal(1000))


def test_an_order_is_cut_to_the_largest_quantity_and_notional() -> None:
    limited = msgspec.structs.replace(
        INSTRUMENT, lot_size=Decimal("0.01"), maximum_quantity=Decimal(2), maximum_notional=Decimal(150)
    )
    assert limited.order_quantity(Decimal(3), Decimal(50)) == 2
    assert limited.order_quantity(Decimal(3), Decimal(99)) == Decimal("1.51")
    assert not limited.is_above_maximum(Decimal("1.51"), Decimal(99))
    assert limited.is_above_maximum(Decimal("1.52"), Decimal(99))
    assert limited.is_above_maximum(Decimal("2.01"), Decimal(1))


def test_a_bracket_includes_its_cap() -> None:
    bracketed = msgspec.structs.replace(INSTRUMENT, leverage_brackets=BRACKETS)
    assert [bracketed.bracket(Decimal(each)) for each in (0, 50_000, 50_001, 200_001)] == [
        BRACKETS[0],
        BRACKETS[0],
        BRACKETS[1],
        None,
    ]


def test_maintenance_margin_grows_without_a_jump_between_brackets() -> None:
    assert maintenance_margin(BRACKETS, Decimal(50_000)) == 250
    assert maintenance_margin(BRACKETS, Decimal(50_100)) == 251
    assert maintenance_margin(BRACKETS, Decimal(200_000)) == 1750


@pytest.mark.parametrize(
    ("rule", "kind", "assets"),
    [
        ("quote", InstrumentKind.SPOT, ["USDT", "USDT"]),
        ("received", InstrumentKind.SPOT, ["BTC", "USDT"]),
        ("received", InstrumentKind.LINEAR_PERPETUAL, ["USDT", "USDT"]),
        ("BNB", InstrumentKind.SPOT, ["BNB", "BNB"]),
    ],
)
def test_a_fee_is_charged_in_the_asset_of_the_rule(
    rule: str, kind: InstrumentKind, assets: list[str]
) -> None:
    instrument = msgspec.structs.replace(INSTRUMENT, fee_asset=rule, kind=kind)
    assert [instrument.charged_asset(side) for side in Side] == assets
