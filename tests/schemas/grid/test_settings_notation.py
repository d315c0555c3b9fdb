"""The notation of settings."""

from decimal import Decimal

import msgspec
import pytest

from schemas.grid.settings import GridSettings, PositionLimit, PositionUnit
from schemas.grid.settings_notation import SETTING_FORMATS, differences, setting_text, with_setting
from tests.builders import SETTINGS

WITHOUT_NOTATION = {"mode", "price_interval", "interval_ratio", "monitor_symbols", "max_drawdown_ratio"}


def test_every_setting_with_a_single_value_has_a_notation() -> None:
    assert set(GridSettings.__struct_fields__) - SETTING_FORMATS.keys() <= WITHOUT_NOTATION
    assert SETTING_FORMATS.keys() <= set(GridSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("max_drawdown", "5%", "5%"),
        ("max_drawdown", "20 USDT", "20 USDT"),
        ("max_drawdown", "off", "off"),
        ("lower_price", "59000 USDT", "59000 USDT"),
        ("lower_price", "off", "off"),
        ("risk_trigger", "all", "0"),
        ("cancel_on_exit", "false", "false"),
        ("flatten_slippage", "0.2%", "0.2%"),
        ("max_order_latency", "1500ms", "1500ms"),
        ("volume_multiplier", "2.5", "2.5"),
    ],
)
def test_a_setting_is_formatted_in_its_notation(name: str, text: str, expected: str) -> None:
    assert setting_text(with_setting(SETTINGS, name, text, "USDT"), name, "USDT") == expected


def test_a_drawdown_is_an_amount_or_a_share() -> None:
    settings = with_setting(SETTINGS, "max_drawdown", "5%", "USDT")
    assert (settings.max_drawdown, settings.max_drawdown_ratio) == (Decimal(0), Decimal("0.05"))
    settings = with_setting(settings, "max_drawdown", "7 USDT", "USDT")
    assert (settings.max_drawdown, settings.max_drawdown_ratio) == (Decimal(7), Decimal(0))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("max_drawdown", "much", "has to be an amount, like 20 USDT, or a percentage"),
        ("max_drawdown", "0%", "has to be above 0"),
        ("risk_trigger", "some", "has to be any, all, or how many"),
    ],
)
def test_an_invalid_notation_raises_an_error_with_the_expected_one(
    name: str, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        with_setting(SETTINGS, name, text, "USDT")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("2 windows", PositionLimit(value=Decimal(2), unit=PositionUnit.WINDOWS)),
        ("1 window", PositionLimit(value=Decimal(1), unit=PositionUnit.WINDOWS)),
        ("20 levels", PositionLimit(value=Decimal(20), unit=PositionUnit.LEVELS)),
        ("900 USDT", PositionLimit(value=Decimal(900), unit=PositionUnit.QUOTE)),
        ("150%", PositionLimit(value=Decimal("1.5"), unit=PositionUnit.BALANCE)),
        ("off", None),
    ],
)
def test_a_position_limit_is_in_windows_levels_money_or_of_the_balance(
    text: str, limit: PositionLimit | None
) -> None:
    found = with_setting(SETTINGS, "max_position", text, "USDT")
    assert found.max_position == limit
    shown = setting_text(found, "max_position", "USDT")
    assert with_setting(SETTINGS, "max_position", shown, "USDT") == found


@pytest.mark.parametrize("text", ["2", "0 windows", "-1 levels", "2 days", "0 USDT", "5 EUR"])
def test_another_notation_of_a_position_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"has to be"):
        with_setting(SETTINGS, "max_position", text, "USDT")


def test_an_unstated_adoption_is_no_difference() -> None:
    """Grids of an earlier version left it open; they have started, so it has no effect any more."""
    old, new = (msgspec.structs.replace(SETTINGS, adopt_position=each) for each in (None, False))
    assert differences(old, new, "USDT") == []
