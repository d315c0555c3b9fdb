"""What viewers see of a grid, and why it is not quoting."""

from enum import StrEnum

import msgspec

from schemas.grid.settings import GridMode
from schemas.units import ClientOrderId, Money, Price, Side, SignedQuantity, Symbol, TimeNs, VenueId


class NotQuoting(StrEnum):
    """The one reason why a symbol has no opening orders out."""

    NO_PRICE = "no_price"
    QUARANTINED = "quarantined"
    """Its core failed again and again: it does not run, and a person has to look."""
    PAUSED = "paused"
    MARGIN_LOCKED = "margin_locked"
    BREAKER_OPEN = "breaker_open"
    """The circuit breaker is open."""
    BREAKER_HALF_OPEN = "breaker_half_open"
    """The one level a side that a half-open circuit breaker tries is filled."""
    MARKET_RISK = "market_risk"
    """The risk monitor saw its symbols fall on much volume, and not yet be calm again."""
    FEED_LOST = "feed_lost"
    """There was no tick for `stale_after`, or the feed said that it is down or lost something."""
    BELOW_MINIMUM = "below_minimum"
    """`order_amount` at these prices is below the venue's minimum."""
    QUOTA = "quota"
    COOL_DOWN = "cool_down"
    """Every level that could have an order was refused one lately."""
    WINDOW_FULL = "window_full"
    """Every level of the window holds something that has to be closed first."""
    AWAITING_VENUE = "awaiting_venue"
    """Orders are being canceled, or trades of ended ones are missing."""
    OUT_OF_BOUNDS = "out_of_bounds"
    """Every level that could have an order is beyond `lower_price` or `upper_price`."""
    WOULD_CROSS = "would_cross"
    """Every level that could have an order is at the market, or behind it."""
    STOPPED = "stopped"
    """By hand, or because a stop of the whole grid was reached; the position is kept, or closed already."""
    FLATTENING = "flattening"
    """The position is being closed; then it is stopped."""
    REMOVED = "removed"
    """It is traded no more."""
    EXITING = "exiting"
    """The engine was ended and canceled what was out; the first price after its next start ends this."""
    WAITING_FOR_LEASE = "waiting_for_lease"
    """No engine has it."""
    EXPOSURE_LIMIT = "exposure_limit"
    """All symbols together hold as much as they may."""
    GLOBAL_BREAKER = "global_breaker"
    """The circuit breaker over all symbols is open."""
    PREFLIGHT = "preflight"
    """Something that has to be so before the first order is not: `not_quoting_detail` names it."""
    AWAITING_TRIGGER = "awaiting_trigger"
    """The price has not come to `trigger_price` yet."""


class SlotStatus(StrEnum):
    """As the page shows a level."""

    EMPTY = "EMPTY"
    OPEN = "OPEN"
    FILLED = "FILLED"


class SlotView(msgspec.Struct, frozen=True, kw_only=True):
    """One level, for viewers."""

    slot_id: int
    price: Price
    side: Side | None
    status: SlotStatus
    held: SignedQuantity
    client_order_id: ClientOrderId | None = None
    order_price: Price | None = None


class GridView(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What viewers see of a grid: a level, published after each step."""

    venue: VenueId
    symbol: Symbol
    step: int
    mode: GridMode
    anchor_price: Price | None
    price_interval: Money | None
    """At the anchor; a geometric grid's grows with the price."""
    center: int
    price: Price | None
    slots: tuple[SlotView, ...]
    paused: bool
    not_quoting: NotQuoting | None
    position: SignedQuantity
    cash: Money
    fees: Money
    funding: Money
    grid_profit: Money
    unpaired_profit: Money
    """What the slots hold, marked at `price`."""
    total_profit: Money
    """`cash + position * price - fees + funding`."""
    buy_and_hold: Money
    """What holding a full window's worth since the start would have made."""
    closed_trades: int
    opened_trades: int
    volume: Money
    first_time: TimeNs
    time: TimeNs
    not_quoting_detail: str = ""
    """What the guard that `not_quoting` names says of it."""
    stride: int = 1
    """So many intervals the levels in use are apart."""
