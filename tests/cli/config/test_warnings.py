"""Settings that are valid, but probably not intended."""

import pytest

from cli.config.file import DEFAULT_FILE, load
from cli.config.warnings import warnings
from tests.cli.config.test_file import GOOD, good

AMOUNT = "order_amount: 300 USDT"


def given(setting: str, *, after: str = AMOUNT) -> str:
    indent = " " * (
        len(line := next(each for each in GOOD.splitlines() if after in each)) - len(line.lstrip())
    )
    return GOOD.replace(f"{after}\n", f"{after}\n{indent}{setting}\n", 1)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("stale_after: 1ms", "has stale_after 1ms, not above the interval of ticks, 250ms"),
        ("max_drawdown: 500%", "has max_drawdown 500%: more than a filled window is worth"),
        (
            "max_drawdown: 3001 USDT",
            "has max_drawdown 3001 USDT: more than a filled window is worth, 3000 USDT",
        ),
        ("stop_loss: 4000 USDT", "has stop_loss 4000 USDT: more than a filled window is worth"),
        ("flatten_slippage: 20%", "has flatten_slippage 20%"),
        ("upper_price: 50000 USDT", "opens nothing at its start_price 60000 USDT"),
        ("stop_below_price: 60000 USDT", "stops at its start_price 60000 USDT"),
        ("order_cleanup_threshold: 15", "has order_cleanup_threshold 15, below the 20 orders of its windows"),
        ("buy_window: 200", "needs 12000.00 USDT for a filled window, more than the balance of 10000 USDT"),
    ],
)
def test_a_suspicious_setting_of_a_symbol_gets_a_warning(setting: str, text: str) -> None:
    found = warnings(good(text=given(setting)))

    assert any(each.startswith(f"warning: BTC/USDT:USDT {text}") for each in found)
    assert len(found) == len(set(found))
    assert not any(text in each for each in warnings(good()))


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (
            "max_exposure: 60 USDT",
            "max_exposure 60 USDT is below the worth of one filled window of BTC/USDT:USDT, 3000",
        ),
        (
            "max_exposure: 9000 USDT\n  max_drawdown: 150%",
            "max_drawdown 150% of USDT is more than max_exposure",
        ),
        ("max_stale_symbols: 3", "max_stale_symbols 3 is never reached: there are 2 symbols"),
    ],
)
def test_a_suspicious_limit_over_all_symbols_gets_a_warning(limit: str, text: str) -> None:
    found = warnings(good(text=f"{GOOD}portfolio:\n  {limit}\n"))

    assert any(each.startswith(f"warning: portfolio: {text}") for each in found)


def test_the_shipped_configuration_has_no_warnings() -> None:
    assert warnings(load(DEFAULT_FILE, {})) == []


def test_orders_that_whole_lots_make_much_smaller_get_a_warning() -> None:
    coarse = GOOD.replace(AMOUNT, "order_amount: 100 USDT").replace("lot_size: 0.00001", "lot_size: 0.001")

    text = "has orders of 60 instead of 100 USDT at its start_price: the lot is 0.001 BTC"
    assert any(text in each for each in warnings(good(text=coarse)))
