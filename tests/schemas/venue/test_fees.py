"""The value of a fee in quote currency, of trades and fills of every version."""

from decimal import Decimal

import msgspec
import pytest

from schemas.codec import decode_as, encode
from schemas.engine.events import Fill
from schemas.units import Symbol
from schemas.venue.fees import assets_of, before_fees, fee_in_quote
from tests.builders import FILL, TRADE


@pytest.mark.parametrize(
    ("fee", "asset", "stated", "value"),
    [
        ("0.02", "USDT", None, "0.02"),
        ("0.001", "BTC", None, "59.8801"),
        ("0.0005", "BNB", None, None),
        ("0", "BNB", None, "0"),
        ("0.0005", "BNB", "0.3", "0.3"),
        ("-0.02", "USDT", None, "-0.02"),
    ],
)
def test_a_fee_has_a_value_unless_its_asset_has_no_price(
    fee: str, asset: str, stated: str | None, value: str | None
) -> None:
    fields = {"fee": Decimal(fee), "fee_asset": asset, "fee_value": stated and Decimal(stated)}
    for charged in (msgspec.structs.replace(TRADE, **fields), msgspec.structs.replace(FILL, **fields)):
        assert fee_in_quote(charged) == (None if value is None else Decimal(value))


def test_a_fill_of_version_1_has_the_value_of_its_asset() -> None:
    stored = msgspec.json.decode(encode(msgspec.structs.replace(FILL, fee=Decimal("0.001"), fee_asset="BTC")))
    del stored["fee_value"], stored["is_fee_estimated"]
    fill = decode_as(msgspec.json.encode(stored), Fill)
    assert (fill.fee_value, fill.is_fee_estimated) == (None, None)
    assert fee_in_quote(fill) == Decimal("59.8801")


@pytest.mark.parametrize(
    ("symbol", "assets"),
    [
        ("BTC/USDT", ("BTC", "USDT", "USDT")),
        ("BTC/USDT:USDT", ("BTC", "USDT", "USDT")),
        ("BTC/USDT:USDC-261225", ("BTC", "USDT", "USDC")),
    ],
)
def test_assets_are_read_from_the_symbol(symbol: str, assets: tuple[str, str, str]) -> None:
    assert assets_of(Symbol(symbol)) == assets


def test_fees_that_a_profit_does_not_include_are_named() -> None:
    assert before_fees({}) == before_fees({"BNB": Decimal("0.0")}) == ""
    assert before_fees({"OKB": Decimal(1), "BNB": Decimal("5E-7")}) == "before 0.0000005 BNB and 1 OKB"
