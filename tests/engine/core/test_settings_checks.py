"""Validation of settings against an instrument."""

import msgspec
import pytest

from engine.core.settings_checks import check
from schemas.grid.settings import GridSettings
from tests.engine.core.examples import GEOMETRIC, LONG, NEUTRAL, PERPETUAL, SPOT, D

replace = msgspec.structs.replace


@pytest.mark.parametrize("settings", [LONG, NEUTRAL, GEOMETRIC])
def test_valid_settings_have_no_mistakes(settings: GridSettings) -> None:
    assert check(settings, PERPETUAL) == []
    assert check(settings, PERPETUAL, D(1000)) == []


def test_neutral_is_refused_for_spot() -> None:
    (mistake,) = check(NEUTRAL, SPOT)
    assert "use mode long" in mistake


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(LONG, interval_ratio=D("0.01")), "exactly one of price_interval and interval_ratio"),
        (replace(LONG, price_interval=None), "exactly one of price_interval and interval_ratio"),
        (replace(GEOMETRIC, interval_ratio=D(0)), "interval_ratio 0 must be above 0"),
        (replace(LONG, price_interval=D("0.05")), "below one tick"),
        (replace(LONG, order_amount=D(0)), "order_amount 0 must be above 0"),
        (
            replace(LONG, order_amount=D(4)),
            "order_amount 4 is below the minimum notional of BTC/USDT:USDT: 5 USDT",
        ),
        (replace(LONG, lower_price=D(2), upper_price=D(2)), "lower_price 2 must be below upper_price 2"),
        (replace(LONG, buy_window=0), "buy_window 0 must be at least 1"),
        (replace(LONG, volatility_scale=D(-1)), "volatility_scale -1 must not be negative"),
        (replace(LONG, position_safety_check=D(-1)), "position_safety_check -1 must not be negative"),
        (replace(LONG, atr_window=0), "atr_window 0 must be at least 1"),
        (replace(LONG, inventory_skew=D("0.5")), "inventory_skew 0.5 must be at least 0 and below 0.5"),
        (replace(LONG, max_leverage=D(0)), "max_leverage 0 must be above 0"),
        (replace(LONG, trigger_price=D(0)), "trigger_price 0 must be above 0"),
        (replace(LONG, margin_lock_duration=-1), "margin_lock_duration must not be negative"),
    ],
)
def test_mistake_names_setting_and_limit(settings: GridSettings, words: str) -> None:
    (mistake,) = check(settings, PERPETUAL)
    assert words in mistake


def test_all_mistakes_are_returned_at_once() -> None:
    assert len(check(replace(NEUTRAL, order_amount=D(0), buy_window=0), SPOT)) == 3


def test_order_amount_below_one_lot_is_a_mistake() -> None:
    (mistake,) = check(LONG, replace(PERPETUAL, lot_size=D(1), minimum_quantity=D(1)), D(1000))
    assert mistake == (
        "order_amount 100 buys 0 BTC at 1000, below the minimum of BTC/USDT:USDT, 1: set at least 1000 USDT"
    )


def test_interval_below_one_tick_at_the_price_is_a_mistake() -> None:
    (mistake,) = check(replace(GEOMETRIC, interval_ratio=D("0.00001")), PERPETUAL, D(1000))
    assert "below one tick" in mistake


def test_window_below_zero_is_a_mistake() -> None:
    (mistake,) = check(replace(LONG, buy_window=100), PERPETUAL, D(1000))
    assert "reaches below zero" in mistake


def test_slippage_must_be_below_one() -> None:
    (mistake,) = check(replace(LONG, flatten_slippage=D(1)), PERPETUAL)
    assert mistake == "flatten_slippage 1 must be at least 0 and below 1"


def test_price_stops_must_be_in_order() -> None:
    (mistake,) = check(replace(LONG, stop_below_price=D(990), stop_above_price=D(990)), PERPETUAL)
    assert mistake == "stop_below_price 990 must be below stop_above_price 990"


def test_more_levels_than_order_ids_can_name_is_a_mistake() -> None:
    fine = replace(PERPETUAL, tick_size=D("0.000001"))
    (mistake,) = check(replace(LONG, price_interval=D("0.00001")), fine, D(1000))
    assert "more levels between 0 and 1000 than order ids can name, 60466175" in mistake
    assert not check(replace(LONG, price_interval=D("0.00002")), fine, D(1000))
