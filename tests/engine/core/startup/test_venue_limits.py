"""Preflight checks of the limits that a venue states, each with figures and a remedy."""

from typing import Any

import msgspec
import pytest

from engine.core.orders.price_lattice import Lattice
from engine.core.startup.case import Account, Case, Check
from engine.core.startup.preflight import checks
from schemas.grid.settings import GridSettings
from schemas.venue.instruments import Instrument, LeverageBracket, PriceBand
from tests.engine.core.examples import LONG, NEUTRAL, PERPETUAL, D, settings_of

RICH = Account(is_stream_up=True, balance=D(10_000), leverage=D(5))
BRACKETS = (
    LeverageBracket(
        notional_floor=D(0), notional_cap=D(250), maximum_leverage=D(10), maintenance_ratio=D("0.005")
    ),
    LeverageBracket(
        notional_floor=D(250), notional_cap=D(500), maximum_leverage=D(4), maintenance_ratio=D("0.01")
    ),
)
BAND = PriceBand(below=D("0.025"), above=D("0.04"))


def found(settings: GridSettings = NEUTRAL, account: Account = RICH, **limits: Any) -> dict[str, Check]:
    instrument: Instrument = msgspec.structs.replace(PERPETUAL, **limits)
    lattice = Lattice(D(1000), settings, instrument)
    named = {each.name: each for each in checks(Case(settings, instrument, lattice, 0, account))}
    return {
        name: named[name] for name in ("maximum_order", "price_band", "leverage_bracket") if name in named
    }


def test_a_limit_that_the_venue_does_not_state_is_not_checked() -> None:
    assert found() == {}


def test_settings_within_all_limits_pass() -> None:
    limits: dict[str, Any] = {
        "maximum_quantity": D(1),
        "maximum_notional": D(100),
        "leverage_brackets": BRACKETS,
    }
    small = settings_of(NEUTRAL, order_amount=D(80))
    checked = found(small, buy_band=BAND, sell_band=BAND, **limits) | found(
        settings_of(small, buy_window=2), buy_band=BAND, sell_band=BAND, **limits
    )
    assert {name: each.passed for name, each in checked.items()} == {
        "maximum_order": True,
        "price_band": True,
        "leverage_bracket": True,
    }


@pytest.mark.parametrize(
    ("limits", "figures", "remedy"),
    [
        (
            {"maximum_quantity": D("0.1")},
            "level -1 at 990.0: order of 0.101 BTC, 99.99 USDT; the maximum is 0.1 BTC",
            "order_amount of at most 97 USDT",
        ),
        (
            {"maximum_notional": D(99)},
            "level -1 at 990.0: order of 0.101 BTC, 99.99 USDT; the maximum is 99 USDT",
            "order_amount of at most 99 USDT",
        ),
        (
            {"maximum_quantity": D("0.1"), "maximum_notional": D(90)},
            "level -1 at 990.0: order of 0.101 BTC, 99.99 USDT; the maximum is 0.1 BTC and 90 USDT",
            "order_amount of at most 90 USDT",
        ),
    ],
)
def test_an_order_above_the_maximum_fails(limits: dict[str, Any], figures: str, remedy: str) -> None:
    check = found(**limits)["maximum_order"]
    assert (check.passed, check.figures, check.remedy) == (False, figures, remedy)


@pytest.mark.parametrize(
    ("settings", "limits", "figures", "remedy"),
    [
        (
            NEUTRAL,
            {"buy_band": BAND},
            "level -3 at 970.0: at a price of 1000.0 the venue takes buy orders from 975 to 1040",
            "buy_window of at most 2, or a smaller price_interval",
        ),
        (
            LONG,
            {"sell_band": PriceBand(highest=D(1005))},
            "level 3 at 1030.0: at a price of 1000.0 the venue takes sell orders from 0 to 1005",
            "a smaller price_interval",
        ),
    ],
)
def test_an_outermost_level_outside_the_price_band_fails(
    settings: GridSettings, limits: dict[str, Any], figures: str, remedy: str
) -> None:
    check = found(settings, **limits)["price_band"]
    assert (check.passed, check.figures, check.remedy) == (False, figures, remedy)


@pytest.mark.parametrize(
    ("account", "figures", "remedy"),
    [
        (
            RICH,
            "a full window is worth 299.86 USDT, with 0 held; leverage 5, the bracket's limit is 4",
            "order_amount of at most 83.3333 USDT, or leverage at the venue of at most 4",
        ),
        (
            RICH._replace(position=D("0.3")),
            "a full window is worth 599.86 USDT, with 300 held; the venue's largest position is 500",
            "",
        ),
        (
            RICH._replace(leverage=D(4), position=D("0.3")),
            "a full window is worth 599.86 USDT, with 300 held; the venue's largest position is 500",
            "order_amount of at most 66.6666 USDT",
        ),
    ],
)
def test_a_window_too_large_for_the_leverage_fails(account: Account, figures: str, remedy: str) -> None:
    check = found(LONG, account, leverage_brackets=BRACKETS)["leverage_bracket"]
    assert (check.passed, check.figures, check.remedy) == (False, figures, remedy)


def test_the_bracket_of_an_unknown_leverage_is_pending() -> None:
    unknown = found(LONG, Account(True, D(10_000), None), leverage_brackets=BRACKETS)
    assert unknown["leverage_bracket"].passed is None
