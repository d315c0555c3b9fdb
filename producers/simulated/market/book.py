"""Quotes of a market from its price: spread and depth, wider and thinner after large moves."""

from decimal import Decimal

from producers.simulated.draws import key_of, mix
from producers.simulated.listing import Depth, Quote
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import Price

CALM_DEVIATIONS = 3.0
"""Moves of up to this many standard deviations do not widen the spread."""
STRESS_DECAY = 0.97
"""Factor by which stress falls with each tick."""


class QuoteMaker:
    """Makes the quotes of one symbol. The same tick, price and stress always give the same quote."""

    def __init__(self, venue: VenueSettings, symbol: SymbolSettings) -> None:
        self._settings = symbol
        self._book = venue.book
        self._key = key_of(venue.seed, symbol.instrument.symbol, "depth")

    def quote(self, last: Price, tick: int, *, is_rising: bool, stress: float = 0.0) -> Quote:
        """Return the quote after a trade at `last`.

        `stress` is the size of the recent moves in standard deviations.
        """
        factor = 1 + self._book.spread_widening * max(stress - CALM_DEVIATIONS, 0.0)
        size = self._settings.instrument.tick_size
        spread = round(self._settings.spread_ticks * factor) * size
        if spread >= last:
            spread = max(last - size, size)
        quote = Quote.after_trade(last, spread, is_rising=is_rising)
        if self._book.is_single:
            return quote
        depth = Depth(
            key=mix(self._key, tick),
            notional=self._settings.depth_notional / Decimal(str(round(factor, 6))),
            levels=self._book.levels,
            step=self._book.level_ticks * size,
            growth=self._book.growth,
            variation=self._book.variation,
        )
        return Quote(quote.bid, quote.ask, quote.last, depth=depth)
