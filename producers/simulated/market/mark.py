"""Index and mark price of the market model.

The index follows the price of the market as an exponential average, like a mean over several venues. The mark price is the
index plus the mean difference between the venue's mid price and the index, so one trade far off hardly moves it.
"""

import math
from decimal import Decimal

import msgspec

from producers.simulated.listing import Quote
from producers.simulated.parameters import MarkSettings
from schemas.units import DurationNs, Price


class MarkState(msgspec.Struct, kw_only=True):
    """Stored averages of one symbol."""

    index: float
    basis: float = 0.0
    """Mean of mid less index."""


class MarkModel:
    """Advances the averages by ticks of equal length."""

    def __init__(self, settings: MarkSettings, tick_interval: DurationNs, tick_size: Price) -> None:
        self._index_weight = _weight(tick_interval, settings.index_window)
        self._basis_weight = _weight(tick_interval, settings.basis_window)
        self._tick_size = tick_size
        self.is_active = bool(settings.index_window or settings.basis_window)

    def advance(self, state: MarkState | None, quote: Quote) -> MarkState:
        """Return the averages after a tick."""
        price, mid = float(quote.last), float(quote.bid + quote.ask) / 2
        if state is None:
            return MarkState(index=price)
        index = state.index + self._index_weight * (price - state.index)
        return MarkState(index=index, basis=state.basis + self._basis_weight * (mid - index - state.basis))

    def with_mark(self, quote: Quote, state: MarkState) -> Quote:
        """Return the quote with index and mark price, rounded to the tick."""
        index, mark = self._rounded(state.index), self._rounded(state.index + state.basis)
        return msgspec.structs.replace(quote, index=index, mark=mark)

    def _rounded(self, price: float) -> Price:
        return max(round(price / float(self._tick_size)), 1) * self._tick_size


def _weight(tick_interval: DurationNs, window: DurationNs) -> float:
    return 1 - math.exp(-tick_interval / window) if window else 1.0


def rounded_mean(prices: list[Price], tick_size: Price) -> Price:
    """Return the mean of prices, rounded to the tick."""
    mean = sum(prices, Decimal(0)) / len(prices)
    return (mean / tick_size).to_integral_value() * tick_size
