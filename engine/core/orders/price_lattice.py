"""The price lattice: the price of a level, and the level nearest to a price."""

from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from schemas.grid.settings import GridSettings
from schemas.units import ZERO, Price, Ratio, Side
from schemas.venue.instruments import Instrument

MAX_CACHED_PRICES = 4096
HALF = Decimal("0.5")


class RoundTripYield(NamedTuple):
    """What a level and the one it is closed at are worth."""

    is_apart: bool
    """Whether orders at the two levels have different prices."""
    profit: Ratio
    """Net of the fees of both sides, as a share of the opening price."""


class Lattice:
    """The levels of one grid: integers relative to the anchor (level 0), spaced arithmetically or geometrically."""

    def __init__(self, anchor: Price, settings: GridSettings, instrument: Instrument) -> None:
        self.anchor = anchor
        self.instrument = instrument
        self._interval = settings.price_interval
        self._growth = 1 + (settings.interval_ratio or Decimal(0))
        self._order_prices: dict[tuple[int, Side], Price] = {}
        self._round_trips: dict[tuple[int, Side, int, bool], RoundTripYield] = {}

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

    def bounds(self, level: int, stride: int = 1, distance: Ratio = HALF) -> tuple[Price, Price]:
        """Return the prices [low, high) up to `distance` intervals from a level: by default those nearest to it."""
        price = self.price(level)
        low = price - distance * (price - self.price(level - stride))
        return low, price + distance * (self.price(level + stride) - price)

    def moved(self, center: int, price: Price, stride: int, distance: Ratio) -> int:
        """Return the center for a price: the present one up to `distance` intervals away, else the nearest level."""
        if center % stride == 0:
            low, high = self.bounds(center, stride, distance)
            if low <= price < high:
                return center
        return self.nearest(price, stride)

    def round_trip(self, level: int, side: Side, stride: int, *, is_taker: bool) -> RoundTripYield:
        """Return what opening at a level and closing `stride` levels further yields; the closing order is a maker."""
        key = (level, side, stride, is_taker)
        found = self._round_trips.get(key)
        if found is None:
            if len(self._round_trips) >= MAX_CACHED_PRICES:
                self._round_trips.clear()
            opened = self.order_price(level, side)
            closed = self.order_price(level + side.sign * stride, side.opposite)
            gross = side.sign * (closed - opened)
            opening_fee = self.instrument.taker_fee if is_taker else self.instrument.maker_fee
            fees = opening_fee * opened + self.instrument.maker_fee * closed
            next_opening = self.order_price(level + side.sign * stride, side)
            is_apart = abs(next_opening - opened) >= self.instrument.tick_size
            profit = (gross - fees) / opened if opened > 0 else ZERO
            found = self._round_trips[key] = RoundTripYield(is_apart, profit)
        return found

    def _midway(self, level: int, stride: int) -> Price:
        return (self.price(level) + self.price(level + stride)) / 2

    def _level_below(self, price: Price) -> int:
        # Never above the right level. An inexact logarithm may give the level below it, which `nearest` makes up for.
        if self._interval is not None:
            exact = (price - self.anchor) / self._interval
        else:
            exact = (price / self.anchor).ln() / self._growth.ln()
        return int(exact.to_integral_value(ROUND_FLOOR))
