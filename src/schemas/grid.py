"""The grid of one symbol: its settings, its durable state, and what viewers see of it."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.instruments import Instrument
from schemas.orders import OrderStatus
from schemas.units import (
    SECOND_NS,
    ClientOrderId,
    DurationNs,
    Money,
    Price,
    Quantity,
    Ratio,
    Side,
    SignedQuantity,
    Symbol,
    TimeNs,
    TradeId,
    VenueId,
)

ZERO = Decimal(0)


class GridMode(StrEnum):
    """Long buys below and sells what it holds; neutral also opens shorts above."""

    LONG = "long"
    NEUTRAL = "neutral"


class GridSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a symbol is traded with. Exactly one of `price_interval` and `interval_ratio` is set."""

    mode: GridMode
    order_amount: Money
    """Quote notional of one level."""
    price_interval: Money | None = None
    """Arithmetic spacing, in quote."""
    interval_ratio: Ratio | None = None
    """Geometric spacing: 0.001 puts the next level 0.1 % away."""
    buy_window: int = 10
    sell_window: int = 10
    post_only_retries: int = 3
    rejection_cool_down: DurationNs = 60 * SECOND_NS
    """How long a slot stays empty after `post_only_retries` rejections in a row."""
    allow_taker: bool = False
    order_cleanup_threshold: int = 50
    """No more live orders than this."""
    cleanup_batch_size: int = 20
    """So many far orders at most are canceled at once when others wait for room."""
    margin_lock_duration: DurationNs = 20 * SECOND_NS
    lower_price: Price | None = None
    """The window follows the price down to here, and nothing is opened below."""
    upper_price: Price | None = None
    """The same upwards."""
    stale_after: DurationNs = 5 * SECOND_NS
    """Without a tick for so long nothing is opened; 0 is never."""
    monitor_symbols: tuple[Symbol, ...] = ()
    """Symbols of the venue whose candles the risk monitor watches; none is no monitor."""
    monitor_interval: str = "1m"
    average_window: int = 20
    """How many closed candles make the means of close and volume."""
    volume_multiplier: Decimal = Decimal(3)
    risk_trigger: int = 1
    """How many abnormal symbols stop what opens: 1 is any of them, 0 all of them."""
    recovery_threshold: int = 3
    """How many calm symbols end it; all of them when there are fewer."""
    max_losing_round_trips: int = 0
    """So many losing round trips in a row open the circuit breaker; 0 is no limit."""
    max_drawdown: Money = ZERO
    """A fall of the total profit from its peak that opens the circuit breaker; 0 is no limit."""
    max_drawdown_ratio: Ratio = ZERO
    """The same as a share of a full window's worth: `order_amount` times the larger window."""
    drawdown_window: DurationNs = 24 * 3600 * SECOND_NS
    """How far back the peak is looked for."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long the circuit breaker stays open before it is half-open."""


class SlotOrderState(StrEnum):
    """How far we have got with an order, whatever the venue has made of it."""

    REQUESTED = "requested"
    OPEN = "open"
    CANCEL_REQUESTED = "cancel_requested"


class SlotOrder(msgspec.Struct, kw_only=True):
    """The one order of a slot."""

    client_order_id: ClientOrderId
    side: Side
    price: Price
    quantity: Quantity
    opens: bool
    """It adds to what the slot holds; otherwise it closes."""
    state: SlotOrderState = SlotOrderState.REQUESTED
    reported_quantity: Quantity = ZERO
    """The largest cumulative quantity that a report named: the checksum."""
    traded_quantity: Quantity = ZERO
    """The sum of the trades booked: never less than the checksum once the order may be forgotten."""
    trade_ids: list[TradeId] = []
    traded_time: TimeNs = 0
    """When the newest of its trades was: a price from before it says nothing of what came after."""
    ended: OrderStatus | None = None
    """The terminal status, while trades are still missing."""
    unconfirmed_passes: int = 0
    """1 once a reconciliation pass did not bear out `requested` or `cancel_requested`; the next one acts on it."""


class Slot(msgspec.Struct, kw_only=True):
    """One lattice level: what it holds and its one order."""

    level: int
    cycle: int
    """Part of the next order's id; grows when an order ended for good, never otherwise."""
    held: SignedQuantity = ZERO
    cost: Money = ZERO
    """What the held quantity was traded for, signed like it."""
    entry_fees: Money = ZERO
    """Fees of the trades behind what is held."""
    order: SlotOrder | None = None
    rejections: int = 0
    """Rejections in a row."""
    round_profit: Money = ZERO
    """What the closed parts of the present round trip made, net of fees."""
    quiet_until: TimeNs = 0
    """No order before this time."""


class FinishedOrder(msgspec.Struct, kw_only=True):
    """An order that left its slot: kept for a while so that late trades are told from repeated ones."""

    client_order_id: ClientOrderId
    level: int
    opens: bool
    reported_quantity: Quantity
    traded_quantity: Quantity
    trade_ids: list[TradeId]
    unconfirmed_passes: int = 0
    """1 once a reconciliation pass still saw it open; the next one cancels it."""


class Accounts(msgspec.Struct, kw_only=True):
    """Money, booked from own trades and funding alone."""

    cash: Money = ZERO
    """Quote received less quote paid, fees and funding apart."""
    fees: Money = ZERO
    funding: Money = ZERO
    position: SignedQuantity = ZERO
    grid_profit: Money = ZERO
    """Matched quantity only, net of the fees on both sides."""
    unmatched_fees: Money = ZERO
    """Fees of what is held: part of `fees`, not yet of `grid_profit`."""
    closed_trades: int = 0
    opened_trades: int = 0
    volume: Money = ZERO
    """Quote traded, both sides."""
    first_price: Price = ZERO
    first_time: TimeNs = 0


class Watched(msgspec.Struct, kw_only=True):
    """One monitored symbol: its last closed candles, and what they say."""

    closes: list[Price] = []
    volumes: list[Quantity] = []
    open_time: TimeNs = -1
    """Of the newest closed candle."""
    is_abnormal: bool = False
    """The newest candle, formed or forming, is below the mean on much volume."""
    is_calm: bool = False
    """The newest closed candle is above the mean with normal volume."""


class BreakerState(StrEnum):
    """Closed lets orders through, as with the electrical one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The total profit at a step."""

    time: TimeNs
    profit: Money


class Breaker(msgspec.Struct, kw_only=True):
    """A grid's circuit breaker."""

    state: BreakerState = BreakerState.CLOSED
    reason: str = ""
    """Why it opened."""
    opened_time: TimeNs = 0
    losses: int = 0
    """Losing round trips in a row."""
    peaks: list[Peak] = []
    """The highest steps of the drawdown's window, falling."""
    tried: list[int] = []
    """The levels that were opened while it was half-open."""


class NotQuoting(StrEnum):
    """The one reason why a symbol has no opening orders out."""

    NO_PRICE = "no_price"
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


class GridState(msgspec.Struct, kw_only=True):
    """All that a symbol's engine knows durably. A step carries it whole; nothing else is needed to go on."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    """Grown by each time the symbol is added: part of the order ids."""
    settings: GridSettings
    instrument: Instrument
    anchor: Price | None = None
    """The first price seen; never moves."""
    center: int = 0
    price: Price | None = None
    """The last price that something was decided at."""
    bid: Price = ZERO
    """The best bid then; 0 when there was none."""
    ask: Price = ZERO
    price_time: TimeNs = 0
    """When these prices were."""
    time: TimeNs = 0
    """The newest market time known; never falls."""
    paused: bool = False
    margin_locked_until: TimeNs = 0
    slots: dict[int, Slot] = {}
    next_cycle: int = 1
    """Where a new slot starts to count: above every cycle of a slot that was dropped."""
    finished: list[FinishedOrder] = []
    funding_ids: list[str] = []
    """The newest funding payments, so that a repeated one is not booked."""
    accounts: Accounts = msgspec.field(default_factory=Accounts)
    watched: dict[Symbol, Watched] = {}
    """What the risk monitor knows of each of its symbols."""
    is_market_risky: bool = False
    traded_time: TimeNs = 0
    """When the newest trade booked was."""
    foreign_position: SignedQuantity = ZERO
    """What the venue held before the grid's first trade."""
    position_gap: SignedQuantity = ZERO
    """What the venue held more than was explained, at the last pass."""
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    feed_lost_time: TimeNs = 0
    """The newest tick when the feed was lost; a newer one brings it back. 0 while it is there."""


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
