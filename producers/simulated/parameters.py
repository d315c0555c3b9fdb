"""Parameters of the models of a simulated venue: fills, order book, mark price, fees, latency, limits, schedule.

The defaults of these structs are the simplest model: no queue, no latency, one price level, the last price as mark price.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.units import DurationNs, Money, Ratio, Symbol

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
PositiveDuration = Annotated[int, msgspec.Meta(gt=0)]
Duration = Annotated[int, msgspec.Meta(ge=0)]


class FillModel(StrEnum):
    """When a resting order is filled. In all of them an order that the price trades through is filled."""

    OPTIMISTIC = "optimistic"
    """A touched order is filled from a drawn share of the traded quantity: an upper bound."""
    QUEUE = "queue"
    """A touched order is filled once the quantity ahead of it when it was placed has been traded at its price."""
    THROUGH = "through"
    """A touched order is not filled: a lower bound."""


class MarginMode(StrEnum):
    """What covers the loss of a position."""

    CROSS = "cross"
    """The whole balance of its settlement asset, and the profit of other positions."""
    ISOLATED = "isolated"
    """Its own margin alone."""


class PositionMode(StrEnum):
    """How many positions a symbol may have."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"
    """A long and a short one. Each order says which one it trades in."""


class PositionSide(StrEnum):
    """The position of a symbol that an order trades in."""

    NET = ""
    """The only one, in one-way mode."""
    LONG = "long"
    SHORT = "short"


class SelfTradePrevention(StrEnum):
    """What happens before an order would trade with an order of the same account."""

    IGNORE = "ignore"
    """Own orders never meet."""
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_MAKER = "expire_maker"
    EXPIRE_BOTH = "expire_both"


class FillSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fill model and its parameters."""

    model: FillModel = FillModel.OPTIMISTIC
    touch_probability: Probability = 0.5
    """`optimistic`: probability that trades at a touched price reach the order; it then gets 0 to 100 % of them."""
    touch_share: Probability = 0.25
    """Share of a recorded tick's volume that trades at its last price, where resting orders are touched."""
    queue_share: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """`queue`: quantity ahead of a new order, as a share of what the book displays at its price."""


class BookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order book of other participants, on which taker orders trade."""

    levels: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """Price levels of a side."""
    level_ticks: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Distance of two levels."""
    growth: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """By which share of the best level's notional each level is larger than the one before it."""
    variation: Probability = 0.0
    """Notional of a level varies from tick to tick by up to this share of its mean."""
    refill: Duration = 0
    """Time after which taken quantity is offered again, linearly; 0: with the next tick."""
    spread_widening: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """In a crash the spread is multiplied by 1 + this x the number of standard deviations of the move beyond 3, and depth is
    divided by it."""

    @property
    def is_single(self) -> bool:
        """Whether each side has one level of constant notional."""
        return self.levels == 1 and not self.variation and not self.spread_widening


class MarkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Index and mark price of perpetuals: exponential averages; with both windows 0, the mark price is the last price."""

    index_window: Duration = 0
    """Time constant with which the index follows the price of the market."""
    basis_window: Duration = 0
    """Time constant of the mean difference between mid and index; the mark price is the index plus this mean."""


class FeeTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fees of an account that has traded at least `volume` in the 30 days before today."""

    volume: Money
    """Notional in quote currency, over all symbols with this quote currency."""
    maker_fee: Ratio
    """Negative for a rebate."""
    taker_fee: Ratio


class LatencySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time that a place or cancel takes to reach the market. The market moves meanwhile."""

    request: Duration = 0
    jitter: Duration = 0
    """Mean of an exponentially distributed further delay."""

    def __bool__(self) -> bool:
        return bool(self.request or self.jitter)


class OrderRateWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Most orders that may be placed within a window of market time; windows start at multiples of `interval`."""

    orders: Annotated[int, msgspec.Meta(gt=0)]
    interval: PositiveDuration


class Maintenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maintenance of the whole venue: requests are answered with 503, and nothing is filled."""

    after: Duration
    """Market time since the store was created."""
    duration: PositiveDuration


class RuleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a symbol's trading rules at a time, such as of its tick size, or a delisting."""

    after: Duration
    """Market time since the store was created."""
    symbol: Symbol
    changes: dict[str, object]
    """New values by the fields of `Instrument`."""


DAY_NS: DurationNs = 24 * 3600 * 10**9
TIER_DAYS = 30
MARKET_PROTECTION: Ratio = Decimal("0.05")
"""How far from the best price a market order may trade."""
