"""Listing, quote, depth and liquidity of a symbol at the simulated venue."""

from decimal import Decimal
from typing import NamedTuple, Self

import msgspec

from producers.simulated.draws import uniform
from producers.simulated.parameters import (
    BookSettings,
    FeeTier,
    FillSettings,
    MarginMode,
    SelfTradePrevention,
)
from schemas.units import ZERO, Money, Price, Quantity, Ratio, Side, TimeNs
from schemas.venue.instruments import Instrument


class Listing(NamedTuple):
    """Trading rules, limits and models of one symbol."""

    rules: Instrument
    leverage: Money
    maximum_open_orders: int
    depth_notional: Money
    fee_asset_price: Money | None = None
    """Price in quote of the asset that fees are charged in, where that is neither base nor quote."""
    fills: FillSettings = FillSettings()
    book: BookSettings = BookSettings()
    fee_tiers: tuple[FeeTier, ...] = ()
    """By ascending volume."""
    margin_mode: MarginMode = MarginMode.CROSS
    maintenance_ratio: Ratio = ZERO
    """Maintenance margin as a ratio of a position's value, where the instrument has no leverage brackets."""
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.IGNORE


class Depth(msgspec.Struct, frozen=True):
    """What other participants offer at the price levels of both sides, drawn by a key that depends on the tick alone."""

    key: int
    notional: Money
    """Mean notional at the best price."""
    levels: int
    step: Price
    """Distance of two levels."""
    growth: float = 0.0
    variation: float = 0.0

    def notional_at(self, side: Side, level: int) -> Money:
        """Return the notional displayed at a level, 0 being the best; 0 beyond the last one."""
        if not 0 <= level < self.levels:
            return ZERO
        factor = 1 + self.growth * level
        if self.variation:
            factor *= 1 + self.variation * (2 * uniform(self.key, int(side is Side.BUY), level) - 1)
        return self.notional * Decimal(str(round(factor, 6)))


class Quote(msgspec.Struct, frozen=True):
    """Best bid, best ask and last traded price; index and mark price, and depth, where the market has them."""

    bid: Price
    ask: Price
    last: Price
    mark: Price | None = None
    """None: the last price."""
    index: Price | None = None
    """None: the last price."""
    depth: Depth | None = None
    """None: one level of the listing's notional."""

    @classmethod
    def after_trade(cls, last: Price, spread: Price, *, is_rising: bool) -> Self:
        """Return the quote after a trade at `last`: at the ask on an uptick, at the bid on a downtick."""
        return cls(last - spread, last, last) if is_rising else cls(last, last + spread, last)

    @property
    def mark_price(self) -> Price:
        return self.last if self.mark is None else self.mark

    @property
    def index_price(self) -> Price:
        return self.last if self.index is None else self.index

    def same_side(self, side: Side) -> Price:
        """Return the best price of the resting orders of `side`."""
        return self.bid if side is Side.BUY else self.ask

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


class VolumeLimit(NamedTuple):
    """Recorded volume of a candle: the account's resting orders cannot fill more than it."""

    open_time: TimeNs
    """Of the candle."""
    volume: Quantity


class Liquidity(NamedTuple):
    """Quantity that other participants trade in one tick."""

    traded: Quantity
    """At the last price, in total."""
    queue_share: Ratio
    """`optimistic`: share of `traded` that reaches an order whose price is only touched."""
    limit: VolumeLimit | None = None
    """None: orders that the price trades through are filled whatever their quantity."""
