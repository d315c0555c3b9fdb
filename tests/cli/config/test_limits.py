"""Limits, fee asset and status of an instrument in a configuration."""

from decimal import Decimal as D  # noqa: N817 - figures read better

import pytest

from cli.config.file import read
from schemas.venue.instruments import InstrumentStatus, LeverageBracket, PriceBand
from tests.cli.config.test_file import GOOD, good

FIRST = "        start_price: 60000 USDT\n"
LIMITS = """\
        fee_asset: BNB
        fee_asset_price: 600 USDT
        maximum_quantity: 20
        maximum_notional: 100000 USDT
        price_band: { below: 10%, above: 5% }
        sell_price_band: { lowest: 100 USDT, highest: 90000 USDT }
        status: halted
        leverage_brackets:
          - { notional_cap: 50000 USDT, maximum_leverage: 20, maintenance_ratio: 0.5% }
          - { notional_floor: 50000 USDT, maximum_leverage: 10, maintenance_ratio: 1% }
"""


def with_limits(limits: str) -> str:
    return GOOD.replace(FIRST, FIRST + limits)


def test_limits_are_read() -> None:
    first, spot = good(text=with_limits(LIMITS)).venue.symbols
    rules = first.instrument
    assert (rules.fee_asset, first.fee_asset_price) == ("BNB", D(600))
    assert (rules.maximum_quantity, rules.maximum_notional) == (D(20), D(100_000))
    assert rules.buy_band == PriceBand(below=D("0.1"), above=D("0.05"))
    assert rules.sell_band == PriceBand(lowest=D(100), highest=D(90_000))
    assert rules.status is InstrumentStatus.HALTED
    assert [each.notional_cap for each in rules.leverage_brackets] == [D(50_000), None]
    assert isinstance(rules.leverage_brackets[0], LeverageBracket)
    assert (rules.closes_exempt_from_minimum, spot.instrument.closes_exempt_from_minimum) == (True, False)


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("fee_asset: BNB", "fee_asset: bnb", "fee_asset has to be quote, received or an asset such as BNB"),
        (
            "fee_asset_price: 600 USDT",
            "fee_asset_price: 600 EUR",
            "fee_asset_price has to be in USDT, not EUR",
        ),
        ("        fee_asset_price: 600 USDT\n", "", "fee_asset_price: the price of BNB in USDT is missing"),
        ("status: halted", "status: closed", "status has to be trading or halted or delisted"),
        ("below: 10%", "under: 10%", "price_band.under is unknown"),
        (
            "notional_floor: 50000",
            "notional_floor: 60000",
            "leverage_brackets: one has to start at 50000, not 60000",
        ),
        ("maximum_leverage: 20", "maximum_leverage: 2", "leverage_brackets: none allows the leverage of 5"),
        ("maximum_quantity: 20", "maximum_quantity: 0", "maximum_quantity has to be"),
    ],
)
def test_a_mistake_in_a_limit_is_named(old: str, new: str, mistake: str) -> None:
    assert old in LIMITS
    _, mistakes = read(with_limits(LIMITS.replace(old, new, 1)), {})
    assert any(mistake in str(each) for each in mistakes), mistakes
