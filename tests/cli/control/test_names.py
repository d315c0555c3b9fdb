"""Names of venues and symbols as operators type them."""

import pytest

from bus.commands import AddressedSymbol
from cli.control.names import find_symbol
from cli.errors import CommandError
from schemas.units import Symbol, VenueId
from tests.builders import SIM

KNOWN = [
    AddressedSymbol(venue, Symbol(symbol))
    for venue, symbol in [
        (SIM, "BTC/USDT:USDT"),
        (SIM, "ETH/USDT:USDT"),
        (SIM, "ETH/USDT"),
        (VenueId("sim2"), "BTC/USDT:USDT"),
    ]
]


@pytest.mark.parametrize(
    "text", ["BTC/USDT:USDT", "btc/usdt:usdt", "BTCUSDT", "btcusdt", "BTCUSDT.sim", "BTC/USDT:USDT.sim"]
)
def test_a_symbol_has_the_names_of_the_page(text: str) -> None:
    assert find_symbol(SIM, text, KNOWN, "traded") == "BTC/USDT:USDT"


def test_a_spot_symbol_is_named_in_full_beside_a_perpetual() -> None:
    assert find_symbol(SIM, "ETH/USDT", KNOWN, "traded") == "ETH/USDT"
    assert find_symbol(SIM, "ETHUSDT.SPOT", KNOWN, "traded") == "ETH/USDT"


@pytest.mark.parametrize(
    ("venue", "text", "message"),
    [
        ("sim", "ETHUSDT", "ETHUSDT on sim is ambiguous: name ETH/USDT or ETH/USDT:USDT"),
        ("sim", "BTC/USDC:USDC", r"sim BTC/USDC:USDC is not traded; did you mean BTC/USDT:USDT"),
        ("sim", "QQQQ", "is not traded; there is BTC/USDT:USDT, ETH/USDT, ETH/USDT:USDT"),
        ("simm", "BTCUSDT", "nothing is traded on a venue simm; did you mean sim or sim2"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(venue: str, text: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        find_symbol(VenueId(venue), text, KNOWN, "traded")
