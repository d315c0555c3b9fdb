"""Market names: unique, stable, and resolvable."""

import pytest

from liveserver.protocol.symbol_names import Market, assign_names, balance_assets, find_market
from schemas.units import Symbol, VenueId
from tests.builders import BTC, SIM
from tests.liveserver.events import ETH, SPOT

PERP, PAIR = Market(SIM, BTC), Market(SIM, SPOT)
OTHER_VENUE = Market(VenueId("zeta"), BTC)


def test_name_is_base_and_quote() -> None:
    assert assign_names([PAIR, Market(SIM, ETH)]) == {PAIR: "BTCUSDT", Market(SIM, ETH): "ETHUSDT"}


def test_perpetual_takes_the_plain_name_before_a_spot_pair() -> None:
    assert assign_names([PAIR, PERP]) == {PERP: "BTCUSDT", PAIR: "BTCUSDT.SPOT"}


def test_symbol_of_a_second_venue_has_the_venue_in_its_name() -> None:
    spot = Market(OTHER_VENUE.venue, SPOT)

    assert assign_names([PERP, PAIR, OTHER_VENUE, spot]) == {
        PERP: "BTCUSDT",
        PAIR: "BTCUSDT.SPOT",
        OTHER_VENUE: "BTCUSDT.zeta",
        spot: "BTCUSDT.SPOT.zeta",
    }


@pytest.mark.parametrize("text", ["BTCUSDT", "btcusdt", " BTC/USDT:USDT ", "sim:BTC/USDT:USDT"])
def test_market_is_found_by_name_and_symbol(text: str) -> None:
    assert find_market(text, assign_names([PERP, PAIR, OTHER_VENUE])) == PERP


def test_venue_restricts_the_search() -> None:
    assert find_market("BTC/USDT:USDT", assign_names([PERP, OTHER_VENUE]), "zeta") == OTHER_VENUE
    assert find_market("ETHUSDT", assign_names([PERP]), "") is None


def test_balance_assets_are_settlement_or_both_of_a_pair() -> None:
    assert balance_assets(BTC) == ("USDT",)
    assert balance_assets(SPOT) == ("USDT", "BTC")
    assert balance_assets(Symbol("BTC/USD:BTC-250328")) == ("BTC",)
