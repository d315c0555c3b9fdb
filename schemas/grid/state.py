"""The grid of one symbol: its durable state, carried whole by each of its steps."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.grid.settings import GridSettings
from schemas.units import (
    ZERO,
    ClientOrderId,
    DurationNs,
    Money,
    Price,
    Quantity,
    Side,
    SignedQuantity,
    Symbol,
    TimeNs,
    TradeId,
    VenueId,
)
from schemas.venue.instruments import Instrument
from schemas.venue.orders import OrderStatus


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
    decided_time: TimeNs = 0
    """When it was decided on."""
    asked_time: TimeNs = 0
    """When the venue was asked what became of it; 0 once it said so."""


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
    is_limited: bool = False
    """Its newest order was not sent, because of the exposure of all symbols."""
    limited_times: int = 0
    """How often in a row."""


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
    asked_time: TimeNs = 0
    """When the venue was asked for its trades."""


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
    adopted: SignedQuantity = ZERO
    """Of `position` what the account held before: it came without a trade."""
    adopted_cost: Money = ZERO
    """What the adopted quantity was booked for: it is in `cash` with the opposite sign."""


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


class Volatility(msgspec.Struct, kw_only=True):
    """What the closed candles of the symbol itself say of how much it moves."""

    ranges: list[Price] = []
    """The newest true ranges, oldest first."""
    close: Price = ZERO
    """Of the newest closed candle."""
    open_time: TimeNs = -1


class Startup(msgspec.Struct, kw_only=True):
    """What is known of the account before the first order of a symbol, and what is still waited for."""

    is_stream_up: bool | None = None
    """Whether the account's private stream is; None while nobody said."""
    balance: Money | None = None
    """Of the currency that the symbol settles in, with the unrealised profit."""
    position: SignedQuantity | None = None
    entry_price: Price = ZERO
    leverage: Decimal | None = None
    is_passed: bool = False
    """The preflight let the symbol through: it is not asked again."""
    is_triggered: bool = False
    """The price has been at `trigger_price`."""
    refusal: str = ""
    """Why the preflight does not let it through."""
    failed: list[str] = []
    """The checks that do not, as was last told."""


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
    latencies: list[DurationNs] = []
    """Of the newest orders, from decision to acceptance."""
    slow_since: TimeNs = 0
    """When ticks began to arrive too late; 0 while they are in time."""


class Halt(msgspec.Struct, kw_only=True):
    """A grid was told to stop: nothing is placed but what closes the position, where that was asked for."""

    reason: str
    flattens: bool = False
    """The position is being closed; ends when it is."""
    removes: bool = False
    """It is removed as soon as no order is out."""
    keeps_position: bool = False
    """It may be removed with what it holds."""
    guard: str = ""
    """The risk that stopped it, told to be over when it is resumed."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is answered when the next sweep is heard."""

    command_id: str
    operator: str
    reason: str
    dry_run: bool
    time: TimeNs
    """When it was read, by a wall clock."""


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
    halt: Halt | None = None
    """Why it was told to stop, durably; None while it may quote."""
    removed: bool = False
    """It is traded no more, and no order of it is out."""
    exiting: bool = False
    """The engine ended, and its orders were canceled; the next one places them again."""
    asked: list[Asked] = []
    """Reconciliations that people asked for."""
    is_exposure_limited: bool = False
    """All symbols together hold as much as they may: nothing is opened."""
    global_breaker: BreakerState = BreakerState.CLOSED
    """The circuit breaker over all symbols."""
    stride: int = 1
    """So many levels those in use are apart: they are the multiples of it."""
    volatility: Volatility = msgspec.field(default_factory=Volatility)
    startup: Startup | None = None
    """What the first order waits for; None once it was placed, and where nothing is waited for."""
