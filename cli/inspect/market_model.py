"""The market of a replay in words: the fill model and latency, and a warning about candles too coarse for the grid."""

from collections.abc import Iterator

import msgspec

from producers.simulated.parameters import FillModel, FillSettings, LatencySettings
from schemas.engine.journal import SymbolEntry
from schemas.units import MILLISECOND_NS, ZERO, Price, Symbol

WORDS = {
    FillModel.OPTIMISTIC: "a touched order fills from a drawn share of the traded quantity: an upper bound",
    FillModel.QUEUE: "a touched order fills once the quantity ahead of it has been traded",
    FillModel.THROUGH: "a touched order does not fill: a lower bound",
}


class MarketModel(msgspec.Struct, frozen=True, kw_only=True):
    """What `/status` of a simulated venue says of its market."""

    fills: FillSettings
    latency: LatencySettings
    prices: dict[Symbol, Price]
    mean_ranges: dict[Symbol, Price] = {}
    """Mean of high less low of a recorded candle; empty without a recording."""


class VenueStatus(msgspec.Struct, frozen=True):
    """The answer of `/status`."""

    market: MarketModel


def model_lines(model: MarketModel, entry: SymbolEntry) -> Iterator[str]:
    """Yield the lines that say by which rules the replay fills orders."""
    latency = "none"
    if model.latency:
        request, jitter = (each / MILLISECOND_NS for each in (model.latency.request, model.latency.jitter))
        latency = f"{request:g} ms and {jitter:g} ms of jitter on average"
    yield f"fill model {model.fills.model}: {WORDS[model.fills.model]}; latency: {latency}"
    mean = model.mean_ranges.get(entry.symbol, ZERO)
    interval = _interval(model, entry)
    if mean and interval < mean:
        yield (
            f"warning: the interval {interval:f} is below the mean range of a candle, {mean:f}: a candle has four prices, "
            "and what happens between them is missed; use candles of 1 s or a file of trades"
        )


def _interval(model: MarketModel, entry: SymbolEntry) -> Price:
    settings = entry.settings
    if settings.price_interval is not None:
        return settings.price_interval
    assert settings.interval_ratio is not None, "the file reader requires one of the two"
    price: Price = settings.interval_ratio * model.prices.get(entry.symbol, ZERO)
    return price.quantize(model.prices.get(entry.symbol, ZERO))
