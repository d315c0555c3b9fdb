"""How settings are written."""

from decimal import Decimal

import pytest

from schemas.grid import tuning
from schemas.grid.settings import GridSettings
from tests.schemas.examples import SETTINGS

NOT_WRITTEN = {"mode", "price_interval", "interval_ratio", "monitor_symbols", "max_drawdown_ratio"}


def test_every_setting_that_is_one_value_has_a_notation() -> None:
    assert set(GridSettings.__struct_fields__) - tuning.WRITTEN.keys() <= NOT_WRITTEN
    assert tuning.WRITTEN.keys() <= set(GridSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
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
def test_a_setting_is_shown_as_it_is_written(name: str, text: str, shown: str) -> None:
    assert tuning.shown(tuning.changed(SETTINGS, name, text, "USDT"), name, "USDT") == shown


def test_a_drawdown_is_an_amount_or_a_share() -> None:
    settings = tuning.changed(SETTINGS, "max_drawdown", "5%", "USDT")
    assert (settings.max_drawdown, settings.max_drawdown_ratio) == (Decimal(0), Decimal("0.05"))
    settings = tuning.changed(settings, "max_drawdown", "7 USDT", "USDT")
    assert (settings.max_drawdown, settings.max_drawdown_ratio) == (Decimal(7), Decimal(0))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("max_drawdown", "much", "has to be an amount, like 20 USDT, or a percentage"),
        ("max_drawdown", "0%", "has to be above 0"),
        ("risk_trigger", "some", "has to be any, all, or how many"),
    ],
)
def test_what_is_not_written_so_is_told(name: str, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tuning.changed(SETTINGS, name, text, "USDT")
