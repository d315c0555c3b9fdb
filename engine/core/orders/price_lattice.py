"""The price lattice: the price of a level, and the level nearest to a price."""

from decimal import ROUND_FLOOR, Decimal

from schemas.grid.settings import GridSettings
from schemas.units import Price, Side
from schemas.venue.instruments import Instrument

MAX_CACHED_PRICES = 4096


class Lattice:
    """The levels of one grid: integers relative to the anchor (level 0), spaced arithmetically or geometrically."""

    def __init__(self, anchor: Price, settings: GridSettings, instrument: Instrument) -> None:
        self.anchor = anchor
        self.instrument = instrument
        self._interval = settings.price_interval
        self._growth = 1 + (settings.interval_ratio or Decimal(0))
        self._order_prices: dict[tuple[int, Side], Price] = {}

    def price(self, level: int) -> Price:
        """Return the exact price of a level, before rounding to a tick."""
        if self._interval is not None:
            return self.anchor + level * self._interval
        return self.anchor * self._growth**level

    def order_price(self, level: int, side: Side) -> Price:
        """Return the price of an order at a level: rounded to a tick, down for a buy and up for a sell."""
        key = (level, side)
        price = self._order_prices.get(key)
        if price is None:
            if len(self._order_prices) >= MAX_CACHED_PRICES:
                self._order_prices.clear()
            exact = self.price(level)
            rounded = self.instrument.price_down if side is Side.BUY else self.instrument.price_up
            price = self._order_prices[key] = rounded(exact)
        return price

    def spacing(self, level: int, stride: int = 1) -> Price:
        """Return the distance from a level to the level `stride` above."""
        return self.price(level + stride) - self.price(level)

    def nearest(self, price: Price, stride: int = 1) -> int:
        """Return the multiple of `stride` that is the level nearest to a price above zero; midway, the upper one."""
        level = self._level_below(price) // stride * stride
        while price >= self._midway(level, stride):
            level += stride
        return level

    def bounds(self, level: int, stride: int = 1) -> tuple[Price, Price]:
        """Return the prices [low, high) for which a level is the nearest."""
        return self._midway(level - stride, stride), self._midway(level, stride)

    def _midway(self, level: int, stride: int) -> Price:
        return (self.price(level) + self.price(level + stride)) / 2

    def _level_below(self, price: Price) -> int:
        # Never above the right level. An inexact logarithm may give the level below it, which `nearest` makes up for.
        if self._interval is not None:
            exact = (price - self.anchor) / self._interval
        else:
            exact = (price / self.anchor).ln() / self._growth.ln()
        return int(exact.to_integral_value(ROUND_FLOOR))
