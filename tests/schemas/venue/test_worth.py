"""The worth of an account: all assets at their prices, or unknown."""

from decimal import Decimal

from schemas.venue.worth import AccountWorth, account_worth
from tests.liveserver.events import balance

PRICES = {"SOL": Decimal(150)}


def test_all_assets_count_at_their_prices() -> None:
    worth = account_worth([balance("USDT", "9788"), balance("SOL", "0")], "USDT", PRICES.get)

    assert worth == AccountWorth(currency="USDT", total=Decimal(9788 + 2) + Decimal(2) * 150)


def test_worth_is_unknown_while_an_asset_has_no_price() -> None:
    worth = account_worth([balance("USDT"), balance("XYZ"), balance("ABC")], "USDT", PRICES.get)

    assert (worth.total, worth.unpriced) == (None, ("ABC", "XYZ"))


def test_asset_that_is_not_held_needs_no_price() -> None:
    worth = account_worth([balance("USDT"), balance("XYZ", "-2")], "USDT", PRICES.get)

    assert (worth.total, worth.unpriced) == (Decimal(1002), ())


def test_worth_without_any_balance_is_unknown() -> None:
    assert account_worth([], "USDT", PRICES.get).total is None
