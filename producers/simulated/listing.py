"""A symbol as the simulated venue lists it, and what its market stands at."""

from typing import NamedTuple

import msgspec

from schemas.units import Money, Price, Side
from schemas.venue.instruments import Instrument


class Listing(NamedTuple):
    """The rules of one symbol."""

    rules: Instrument
    leverage: Money
    maximum_open_orders: int
    depth_notional: Money


class Quote(msgspec.Struct, frozen=True):
    """The best prices and the last traded one."""

    bid: Price
    ask: Price
    last: Price

    def other_side(self, side: Side) -> Price:
        """Return the price that an order of `side` would take."""
        return self.ask if side is Side.BUY else self.bid

    def crosses(self, side: Side, price: Price) -> bool:
        """Tell whether an order would trade at once."""
        return price >= self.ask if side is Side.BUY else price <= self.bid

    def is_through(self, side: Side, price: Price) -> bool:
        """Tell whether the market went through a resting order's price, or stands across it."""
        beyond = price > self.last if side is Side.BUY else price < self.last
        return beyond or self.crosses(side, price)

    def reaches(self, side: Side, price: Price) -> bool:
        """Tell whether the market traded at a resting order's price or better, or stands across it."""
        return price == self.last or self.is_through(side, price)
