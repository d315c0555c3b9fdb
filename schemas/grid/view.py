"""The view of a grid for browsers, and the reasons for not quoting."""

from enum import StrEnum

import msgspec

from schemas.grid.settings import GridMode
from schemas.units import ZERO, ClientOrderId, Money, Price, Side, SignedQuantity, Symbol, TimeNs, VenueId


class NotQuoting(StrEnum):
    """The reason why a symbol has no opening orders. Explanations for users are in `schemas.reasons.quoting`."""

    NO_PRICE = "no_price"
    QUARANTINED = "quarantined"
    """Its core failed repeatedly; it does not run until an operator resets it."""
    PAUSED = "paused"
    MARGIN_LOCKED = "margin_locked"
    BREAKER_OPEN = "breaker_open"
    """The circuit breaker is open."""
    BREAKER_HALF_OPEN = "breaker_half_open"
    """The one level on each side that a half-open circuit breaker allows is filled."""
    MARKET_RISK = "market_risk"
    """The monitored symbols fell on high volume and have not calmed down yet."""
    FEED_LOST = "feed_lost"
    """There was no tick for `stale_after`, or the feed is down or gapped."""
    BELOW_MINIMUM = "below_minimum"
    """`order_amount` at these prices is below the venue's minimum."""
    QUOTA = "quota"
    """The number of open orders is at `order_cleanup_threshold`."""
    COOL_DOWN = "cool_down"
    """The latest orders of every available level were rejected."""
    WINDOW_FULL = "window_full"
    """Every level of the window holds a position that must be closed first."""
    AWAITING_VENUE = "awaiting_venue"
    """Cancels are unconfirmed, or trades of ended orders have not arrived yet."""
    OUT_OF_BOUNDS = "out_of_bounds"
    """Every available level is beyond `lower_price` or `upper_price`."""
    WOULD_CROSS = "would_cross"
    """Every available level is at or beyond the market price."""
    STOPPED = "stopped"
    """Stopped by an operator or a stop of the grid; the position is kept or already closed."""
    FLATTENING = "flattening"
    """The position is being closed; then the grid is stopped."""
    REMOVED = "removed"
    """The symbol is no longer traded."""
    EXITING = "exiting"
    """The engine was shut down and canceled its orders; cleared by the first price after its next start."""
    WAITING_FOR_LEASE = "waiting_for_lease"
    """No engine holds the symbol's lease."""
    EXPOSURE_LIMIT = "exposure_limit"
    """The exposure of all symbols is at its limit."""
    GLOBAL_BREAKER = "global_breaker"
    """The circuit breaker over all symbols is open."""
    PREFLIGHT = "preflight"
    """A check before the first order failed: `not_quoting_detail` names it."""
    RESYNCING = "resyncing"
    """Records on the bus were lost: orders and trades are read from the venue first."""
    AWAITING_TRIGGER = "awaiting_trigger"
    """The price has not reached `trigger_price` yet."""
    MARKET_HALTED = "market_halted"
    """The venue accepts no orders for the symbol at present."""
    DELISTED = "delisted"
    """The venue does not trade the symbol any more."""
    ABOVE_MAXIMUM = "above_maximum"
    """`order_amount` is above the venue's maximum for one order."""
    OUTSIDE_PRICE_BAND = "outside_price_band"
    """Every available level is outside the venue's price band."""
    MAX_POSITION = "max_position"
    """What is held, with the open orders, is at `max_position`."""
    ENGINE_SILENT = "engine_silent"
    """The engine of the symbol sends no heartbeat. This and the following are set by readers, never by the engine."""
    GATEWAY_SILENT = "gateway_silent"
    """The gateway of the venue sends no heartbeat: no order can be sent or canceled."""
    ACCOUNT_SILENT = "account_silent"
    """The account publisher of the venue sends no heartbeat: fills and orders by others are not seen."""
    MARKET_SILENT = "market_silent"
    """The market publisher of the venue sends no heartbeat: prices stand still."""
    VENUE_UNREACHABLE = "venue_unreachable"
    """The venue does not answer."""
    BUS_SILENT = "bus_silent"
    """The bus does not answer."""


class SlotStatus(StrEnum):
    """The state of a slot as shown on the page."""

    EMPTY = "EMPTY"
    OPEN = "OPEN"
    FILLED = "FILLED"


class SlotView(msgspec.Struct, frozen=True, kw_only=True):
    """One slot, as shown to viewers."""

    slot_id: int
    price: Price
    side: Side | None
    status: SlotStatus
    held: SignedQuantity
    client_order_id: ClientOrderId | None = None
    order_price: Price | None = None


class GridView(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The current state of a grid for viewers: `journal.V.S.grid`. Published after steps; only the newest counts."""

    venue: VenueId
    symbol: Symbol
    step: int
    mode: GridMode
    anchor_price: Price | None
    price_interval: Money | None
    """At the anchor price; in a geometric grid it grows with the price."""
    center: int
    """The level at the center of the window."""
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
    """Unrealised profit of the slots' positions at `price`."""
    total_profit: Money
    """`cash + position * price - fees + funding`."""
    buy_and_hold: Money
    """Profit of buying a full window's value at the start and holding it."""
    closed_trades: int
    opened_trades: int
    volume: Money
    first_time: TimeNs
    time: TimeNs
    not_quoting_detail: str = ""
    """The detail given by the guard behind `not_quoting`."""
    stride: int = 1
    """Distance between the levels in use, in intervals."""
    earlier_profit: Money = ZERO
    """Total profit of the earlier generations of the symbol, which `total_profit` does not include."""
    fees_other: dict[str, Money] = {}
    """Fees in assets without a price here, by asset: profit and `fees` are before them."""
    venue_position: SignedQuantity | None = None
    """The position at the venue while it differs from the books: `position` plus `foreign_position`; else None."""
    foreign_position: SignedQuantity = ZERO
    """The account's position before the grid's first trade, not part of the grid."""
    entry_price: Price | None = None
    """Average price at which the slots' position was opened, from own trades and corrections; None when flat."""
    opens_halted_by: str = ""
    """Who halted or paused the grid, and why, as given with the command: `alice: maintenance`; empty without one."""
    ledger_from: TimeNs = 0
    """Venue time from which every fill is on the stream ENGINE; 0 when it has all since the grid's first trade."""
    closed_pairs: int | None = None
    """Round trips that ended, however many trades closed them; None in views of version 1."""
    dust: SignedQuantity = ZERO
    """The part of `position` in levels that hold less than the venue's minimum order, such as what fees in base leave."""
    minimum_reader: int = 1
    """The oldest version (`schemas.formats.VIEW_VERSION`) that a program must know to show this grid."""
