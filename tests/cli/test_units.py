"""Parsers of configuration values."""

from decimal import Decimal

import pytest

from cli import units
from schemas.grid.settings import GridMode


@pytest.mark.parametrize(
    ("text", "value"), [("30 USDT", "30"), ("0.5USDT", "0.5"), ("10_000 USDT", "10000"), ("7   USDT", "7")]
)
def test_an_amount_has_a_currency(text: str, value: str) -> None:
    assert units.amount(text) == (Decimal(value), "USDT")


@pytest.mark.parametrize(
    "text", ["30", "USDT 30", "-30 USDT", "30 usdt", "1e3 USDT", "", "30,5 USDT", "NaN USDT"]
)
def test_an_invalid_amount_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="like 30 USDT"):
        units.amount(text)


@pytest.mark.parametrize(
    ("text", "value"), [("0.2%", "0.002"), ("100 %", "1"), ("0%", "0"), ("0.0001%", "0.000001")]
)
def test_a_ratio_is_a_percentage(text: str, value: str) -> None:
    assert units.ratio(text) == Decimal(value)


@pytest.mark.parametrize("text", ["0.002", "-0.1%", "%", "0.2 percent"])
def test_a_bare_or_negative_ratio_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"percentage|negative"):
        units.ratio(text)


def test_a_fee_may_be_a_rebate() -> None:
    assert units.signed_ratio("-0.01%") == Decimal("-0.0001")


def test_a_percentage_survives_a_round_trip() -> None:
    assert units.percent_text(units.ratio("0.020%")) == "0.02%"


@pytest.mark.parametrize(
    ("text", "value"), [("500ms", 5 * 10**8), ("5s", 5 * 10**9), ("1.5m", 9 * 10**10), ("2 h", 72 * 10**11)]
)
def test_a_duration_has_a_unit(text: str, value: int) -> None:
    assert units.duration(text) == value


@pytest.mark.parametrize("text", ["5", "5 seconds", "-5s", "s"])
def test_an_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="like 5s or 500ms"):
        units.duration(text)


def test_an_invalid_choice_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="long or neutral"):
        units.choice(GridMode)("short")


def test_whole_numbers_have_bounds() -> None:
    assert units.whole(1, 5)("5") == 5
    with pytest.raises(ValueError, match="from 1 to 5"):
        units.whole(1, 5)("6")


def test_digits_of_other_scripts_are_rejected() -> None:
    with pytest.raises(ValueError, match="whole number"):
        units.whole(0)("٣")
