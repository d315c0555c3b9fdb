"""Names of markets: unique, stable, and found again."""

import pytest

from liveserver.protocol.symbol_names import Market, assets, find, names
from schemas.units import Symbol, VenueId
from tests.liveserver.events import BTC, ETH, SIM, SPOT

PERP, PAIR = Market(SIM, BTC), Market(SIM, SPOT)
ELSEWHERE = Market(VenueId("zeta"), BTC)


def test_a_name_is_base_and_quote() -> None:
    assert names([PAIR, Market(SIM, ETH)]) == {PAIR: "BTCUSDT", Market(SIM, ETH): "ETHUSDT"}


def test_a_perpetual_has_the_name_rather_than_a_spot_pair() -> None:
    assert names([PAIR, PERP]) == {PERP: "BTCUSDT", PAIR: "BTCUSDT.SPOT"}


def test_the_same_symbol_elsewhere_has_the_venue_in_its_name() -> None:
    spot = Market(ELSEWHERE.venue, SPOT)

    assert names([PERP, PAIR, ELSEWHERE, spot]) == {
        PERP: "BTCUSDT",
        PAIR: "BTCUSDT.SPOT",
        ELSEWHERE: "BTCUSDT.zeta",
        spot: "BTCUSDT.SPOT.zeta",
    }


@pytest.mark.parametrize("text", ["BTCUSDT", "btcusdt", " BTC/USDT:USDT ", "sim:BTC/USDT:USDT"])
def test_a_market_is_found_by_name_and_by_symbol(text: str) -> None:
    assert find(text, names([PERP, PAIR, ELSEWHERE])) == PERP


def test_a_venue_narrows_what_is_found() -> None:
    assert find("BTC/USDT:USDT", names([PERP, ELSEWHERE]), "zeta") == ELSEWHERE
    assert find("ETHUSDT", names([PERP]), "") is None


def test_only_the_assets_that_matter_count() -> None:
    assert assets(BTC) == ("USDT",)
    assert assets(SPOT) == ("USDT", "BTC")
    assert assets(Symbol("BTC/USD:BTC-250328")) == ("BTC",)
