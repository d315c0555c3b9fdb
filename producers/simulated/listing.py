"""Listing, quote and liquidity of a symbol at the simulated venue."""

from typing import NamedTuple, Self

import msgspec

from schemas.units import Money, Price, Quantity, Ratio, Side
from schemas.venue.instruments import Instrument


class Listing(NamedTuple):
    """Trading rules and limits of one symbol."""

    rules: Instrument
    leverage: Money
    maximum_open_orders: int
    depth_notional: Money
    fee_asset_price: Money | None = None
    """Price in quote of the asset that fees are charged in, where that is neither base nor quote."""


class Quote(msgspec.Struct, frozen=True):
    """Best bid, best ask and last traded price."""

    bid: Price
    ask: Price
    last: Price

    @classmethod
    def after_trade(cls, last: Price, spread: Price, *, is_rising: bool) -> Self:
        """Return the quote after a trade at `last`: at the ask on an uptick, at the bid on a downtick."""
        return cls(last - spread, last, last) if is_rising else cls(last, last + spread, last)

    def other_side(self, side: Side) -> Price:
        """Return the best price that an order of `side` trades against."""
        return self.ask if side is Side.BUY else self.bid

    def crosses(self, side: Side, price: Price) -> bool:
        """Return whether an order would trade at once."""
        return price >= self.ask if side is Side.BUY else price <= self.bid

    def is_through(self, side: Side, price: Price) -> bool:
        """Return whether the last trade or the opposite best price is through a resting order's price."""
        beyond = price > self.last if side is Side.BUY else price < self.last
        return beyond or self.crosses(side, price)

    def reaches(self, side: Side, price: Price) -> bool:
        """Return whether the market traded at a resting order's price, or through it."""
        return price == self.last or self.is_through(side, price)


class Liquidity(NamedTuple):
    """Quantity that other participants trade in one tick."""

    traded: Quantity
    """Total that the account's resting orders can fill."""
    queue_share: Ratio
    """Share of `traded` that reaches an order whose price is only touched: the rest fills orders ahead in the queue."""
