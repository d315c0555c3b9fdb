"""The lattice: which price a level has, and which level a price is nearest to."""

from decimal import ROUND_FLOOR, Decimal

from schemas.grid.settings import GridSettings
from schemas.units import Price, Side
from schemas.venue.instruments import Instrument

CACHED_PRICES = 4096


class Lattice:
    """The levels of one grid: integers counted from the anchor, evenly or geometrically spaced."""

    def __init__(self, anchor: Price, settings: GridSettings, instrument: Instrument) -> None:
        self.anchor = anchor
        self._instrument = instrument
        self._interval = settings.price_interval
        self._growth = 1 + (settings.interval_ratio or Decimal(0))
        self._order_prices: dict[tuple[int, Side], Price] = {}

    def price(self, level: int) -> Price:
        """Return the price of a level before it is rounded to a tick."""
        if self._interval is not None:
            return self.anchor + level * self._interval
        return self.anchor * self._growth**level

    def order_price(self, level: int, side: Side) -> Price:
        """Return the valid price of an order at a level: buys are rounded down, sells up."""
        key = (level, side)
        price = self._order_prices.get(key)
        if price is None:
            if len(self._order_prices) >= CACHED_PRICES:
                self._order_prices.clear()
            exact = self.price(level)
            rounded = self._instrument.price_down if side is Side.BUY else self._instrument.price_up
            price = self._order_prices[key] = rounded(exact)
        return price

    def spacing(self, level: int, stride: int = 1) -> Price:
        """Return the distance from a level to the one so many levels above."""
        return self.price(level + stride) - self.price(level)

    def nearest(self, price: Price, stride: int = 1) -> int:
        """Return the multiple of `stride` whose level is nearest to a price above zero; midway the upper one."""
        level = self._level_below(price) // stride * stride
        while price >= self._midway(level, stride):
            level += stride
        return level

    def bounds(self, level: int, stride: int = 1) -> tuple[Price, Price]:
        """Return from where (included) to where (excluded) prices are nearest to a level."""
        return self._midway(level - stride, stride), self._midway(level, stride)

    def _midway(self, level: int, stride: int) -> Price:
        return (self.price(level) + self.price(level + stride)) / 2

    def _level_below(self, price: Price) -> int:
        # Never above the price's own level; a logarithm may be a digit short and give the one below.
        if self._interval is not None:
            exact = (price - self.anchor) / self._interval
        else:
            exact = (price / self.anchor).ln() / self._growth.ln()
        return int(exact.to_integral_value(ROUND_FLOOR))
