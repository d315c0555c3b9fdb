"""The fill model of a replay in words, and the warning about coarse candles."""

from decimal import Decimal as D  # noqa: N817 - figures read better

import msgspec
import pytest

from cli.inspect.market_model import MarketModel, model_lines
from producers.simulated.parameters import FillModel, FillSettings, LatencySettings
from schemas.engine.journal import SymbolEntry
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import MILLISECOND_NS
from tests.builders import BTC, SIM

ENTRY = SymbolEntry(
    instance="sqt",
    venue=SIM,
    symbol=BTC,
    settings=GridSettings(mode=GridMode.LONG, order_amount=D(50), price_interval=D(5)),
    generation=1,
)
MODEL = MarketModel(
    fills=FillSettings(model=FillModel.THROUGH), latency=LatencySettings(), prices={BTC: D("60000.0")}
)


def test_the_model_and_the_latency_are_named() -> None:
    latency = LatencySettings(request=20 * MILLISECOND_NS, jitter=5 * MILLISECOND_NS)
    assert list(model_lines(msgspec.structs.replace(MODEL, latency=latency), ENTRY)) == [
        "fill model through: a touched order does not fill: a lower bound; latency: 20 ms and 5 ms of jitter on average"
    ]


@pytest.mark.parametrize(("mean", "count"), [("5.0", 1), ("5.1", 2)])
def test_an_interval_below_the_mean_range_of_a_candle_is_warned_of(mean: str, count: int) -> None:
    lines = list(model_lines(msgspec.structs.replace(MODEL, mean_ranges={BTC: D(mean)}), ENTRY))
    assert len(lines) == count
    assert count == 1 or "the interval 5 is below the mean range of a candle, 5.1" in lines[1]


def test_a_relative_interval_is_compared_at_the_present_price() -> None:
    settings = GridSettings(mode=GridMode.LONG, order_amount=D(50), interval_ratio=D("0.0001"))
    entry = msgspec.structs.replace(ENTRY, settings=settings)
    lines = list(model_lines(msgspec.structs.replace(MODEL, mean_ranges={BTC: D("7.0")}), entry))
    assert "the interval 6.0 is below" in lines[1]
