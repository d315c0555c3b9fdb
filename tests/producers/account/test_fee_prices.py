"""The value of fees in a third coin."""

from decimal import Decimal

import msgspec
import pytest

from bus import Bus, Logger
from producers.account.fee_prices import MAX_AGE_NS, with_fee_value
from schemas import subjects
from schemas.units import Symbol
from tests.builders import SIM, TICKER, TRADE

D = Decimal
LOG = Logger("test")
IN_BNB = msgspec.structs.replace(TRADE, fee=D("0.0005"), fee_asset="BNB")


async def publish(bus: Bus, symbol: str, *, seconds_off: int = 0) -> None:
    ticker = msgspec.structs.replace(
        TICKER, symbol=Symbol(symbol), last=D(600), time=TRADE.time + seconds_off
    )
    await bus.store(subjects.ticker(SIM, Symbol(symbol)), ticker)


@pytest.mark.parametrize("symbol", ["BNB/USDT", "BNB/USDT:USDT"])
async def test_a_fee_in_a_third_coin_is_estimated_at_its_price(bus: Bus, symbol: str) -> None:
    await publish(bus, symbol)
    valued = await with_fee_value(IN_BNB, bus, LOG)
    assert (valued.fee_value, valued.is_fee_estimated) == (D("0.3000"), True)
    assert (valued.fee, valued.fee_asset) == (D("0.0005"), "BNB")


async def test_a_coin_without_a_ticker_has_no_value(bus: Bus) -> None:
    assert await with_fee_value(IN_BNB, bus, LOG) == IN_BNB


async def test_the_price_of_another_time_is_not_used(bus: Bus) -> None:
    await publish(bus, "BNB/USDT", seconds_off=MAX_AGE_NS + 1)
    assert await with_fee_value(IN_BNB, bus, LOG) == IN_BNB


@pytest.mark.parametrize("asset", ["USDT", "BTC"])
async def test_a_fee_with_a_known_value_stays_as_it_is(bus: Bus, asset: str) -> None:
    known = msgspec.structs.replace(TRADE, fee_asset=asset)
    assert await with_fee_value(known, bus, LOG) == known


async def test_the_value_of_the_venue_counts_first(bus: Bus) -> None:
    await publish(bus, "BNB/USDT")
    stated = msgspec.structs.replace(IN_BNB, fee_value=D("0.29"))
    assert await with_fee_value(stated, bus, LOG) == stated
