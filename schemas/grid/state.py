"""The durable state of a symbol's grid. Every step carries all of it."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.grid.guard_state import Breaker, BreakerState, MarginLock, MonitoredSymbol, Volatility
from schemas.grid.pending import PendingCommand, PendingReconciliation
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import (
    ZERO,
    ClientOrderId,
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
from schemas.venue.instruments import Instrument
from schemas.venue.orders import OrderStatus, Trade


class SlotOrderState(StrEnum):
    """The last request made for an order, regardless of its status at the venue."""

    REQUESTED = "requested"
    OPEN = "open"
    CANCEL_REQUESTED = "cancel_requested"


class SlotOrder(msgspec.Struct, kw_only=True):
    """The order of a slot; a slot has at most one."""

    client_order_id: ClientOrderId
    side: Side
    price: Price
    quantity: Quantity
    opens: bool
    """Whether it increases the slot's position; otherwise it closes it."""
    post_only: bool = False
    pools: bool = False
    """Whether it also closes what other slots hold: a net order of a flattening, or quantities below the venue's minimum."""
    state: SlotOrderState = SlotOrderState.REQUESTED
    reported_quantity: Quantity = ZERO
    """The largest cumulative quantity reported: the checksum for `traded_quantity`."""
    traded_quantity: Quantity = ZERO
    """The sum of the booked trades. The order is kept until it reaches `reported_quantity`."""
    trade_ids: list[TradeId] = []
    traded_time: TimeNs = 0
    """The time of its newest trade. Prices from before that time do not reflect the trade."""
    first_traded_time: TimeNs = 0
    """When its first trade was booked, in market time; 0 before, and in version 2."""
    ended: OrderStatus | None = None
    """The terminal status, while trades are still missing; None before the order ended."""
    unconfirmed_passes: int = 0
    """1 after a reconciliation pass that did not confirm `requested` or `cancel_requested`; the next pass acts on it."""
    decided_time: TimeNs = 0
    """When it was decided."""
    asked_time: TimeNs = 0
    """When its status was queried at the venue; 0 when no query is pending."""


class Slot(msgspec.Struct, kw_only=True):
    """One price level: its position and its order."""

    level: int
    cycle: int
    """Part of the next order's id; grows when an order is finished, or when an order unknown here used it."""
    held: SignedQuantity = ZERO
    """The position of the slot."""
    cost: Money = ZERO
    """The cost of the position, with its sign."""
    entry_fees: Money = ZERO
    """Fees of the trades that opened the position."""
    order: SlotOrder | None = None
    rejections: int = 0
    """Consecutive rejections."""
    round_profit: Money = ZERO
    """Profit of the closed part of the current round trip, net of fees."""
    quiet_until: TimeNs = 0
    """No order is placed before this time."""
    is_limited: bool = False
    """Whether its newest order was not sent because of the exposure limit or `max_position`."""
    target: int | None = None
    """The level of the order that closes it, fixed by its first fill; None while it holds nothing, and in version 2."""
    limited_times: int = 0
    """Consecutive orders that failed for a reason that passes: a limit, a rate limit, or nothing left to close."""


class RefusedCancel(msgspec.Struct, kw_only=True):
    """The cancels of an order that the venue refused."""

    times: int = 0
    """How many were refused in a row."""
    retry_time: TimeNs = 0
    """Market time from which the next one is sent; 0 while it is under way."""


class FinishedOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An order removed from its slot, kept for a while: trades of it may still be missing."""

    client_order_id: ClientOrderId
    reported_quantity: Quantity
    traded_quantity: Quantity
    opens: bool = True
    """Whether it was an opening order."""
    trade_ids: list[TradeId] = []
    """Of version 1 only: now `booked_trades` of the state keeps the ids."""
    unconfirmed_passes: int = 0
    """1 after a reconciliation pass that still found it open; the next pass cancels it."""
    asked_time: TimeNs = 0
    """When its trades were queried at the venue; 0 when they were not."""


class Accounts(msgspec.Struct, kw_only=True):
    """Cash, position and profit, booked from own trades, funding, an adopted position and corrections of the position."""

    cash: Money = ZERO
    """Quote received minus quote paid, without fees and funding."""
    fees: Money = ZERO
    funding: Money = ZERO
    position: SignedQuantity = ZERO
    grid_profit: Money = ZERO
    """Profit of matched quantity, net of the fees of both sides."""
    unmatched_fees: Money = ZERO
    """Fees of the open position: included in `fees`, not yet in `grid_profit`."""
    closed_trades: int = 0
    opened_trades: int = 0
    closed_pairs: int = 0
    """Round trips that ended: levels of which everything that can be sold was closed."""
    volume: Money = ZERO
    """Quote notional of all trades, buys and sells."""
    first_price: Price = ZERO
    first_time: TimeNs = 0
    adopted: SignedQuantity = ZERO
    """The part of `position` that the account held before the first start; it has no trade."""
    adopted_cost: Money = ZERO
    """The value at which it was booked; included in `cash` with the opposite sign."""
    adopted_entry_price: Price = ZERO
    """The venue's entry price of it, for information; 0 without one."""
    fees_other: dict[str, Money] = {}
    """Fees in assets without a price here, by asset: not included in `fees`, so profit is before them."""


class EarlierGenerations(msgspec.Struct, frozen=True, kw_only=True):
    """What the earlier generations of a symbol left: each time it is added again, its accounts start at zero."""

    profit: Money
    """Total profit of all of them, each marked at its last price, or at the price at which its position was adopted."""
    position: SignedQuantity
    """The position of the last one that is not adopted yet."""
    price: Price
    """The price at which it is marked."""


class OtherGrid(msgspec.Struct, frozen=True, kw_only=True):
    """What another grid of the account may hold: a notional in quote, or a ratio of the balance."""

    symbol: Symbol
    notional: Money
    balance_ratio: Ratio = ZERO


class Startup(msgspec.Struct, kw_only=True):
    """What is known of the account before the first order of a symbol, and the result of the preflight."""

    is_stream_up: bool | None = None
    """Whether the account's private stream is up; None before its first report."""
    balance: Money | None = None
    """The balance in the settlement currency, including unrealised profit."""
    position: SignedQuantity | None = None
    entry_price: Price = ZERO
    leverage: Decimal | None = None
    others: tuple[OtherGrid, ...] = ()
    """The other grids of the account that settle in the same currency."""
    newer_generation: int = 0
    """The highest generation of an own open order that is newer than this grid's; 0 without one."""
    is_passed: bool = False
    """Whether the preflight has passed; it is then not repeated."""
    is_triggered: bool = False
    """Whether the price has reached `trigger_price`."""
    refusal: str = ""
    """The checks of the preflight that failed or are pending; empty when it has passed."""
    failed: list[str] = []
    """The failed checks, as last published."""


class Halt(msgspec.Struct, kw_only=True):
    """A stop of the grid: nothing is placed, except orders that close the position when flattening."""

    reason: str
    flattens: bool = False
    """Whether the position is being closed."""
    removes: bool = False
    """Whether the symbol is removed as soon as it has no open order."""
    keeps_position: bool = False
    """Whether it may be removed with an open position."""
    guard: str = ""
    """The `RiskChanged` reason that caused the stop; published as cleared on resume."""
    by: str = ""
    """The operator and the reason given: `alice: maintenance`; empty for a guard, and in version 1."""
    refusals: int = 0
    """Consecutive orders of the flattening that the venue refused."""
    retry_time: TimeNs = 0
    """No order of the flattening is placed before this time."""


class Resync(msgspec.Struct, frozen=True, kw_only=True):
    """Records on the bus were lost: orders and trades are read from the venue. No order is placed until that is done."""

    request_id: str
    """The SweepRequest that has to be answered."""
    reason: str
    """What was lost, as a sentence for operators."""
    raises_generation: bool
    """Whether new order ids get a new generation, because ids of the present one may be in use unknown here."""
    generation: int
    """The highest generation of an order id known to be in use."""
    started_time: TimeNs
    """Wall-clock time."""
    unknown_trades: int = 0
    """Trades of orders unknown here that were booked meanwhile."""


class QuotingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The reason for not quoting as last published."""

    reason: NotQuoting | None
    """None while an opening order is live."""
    awaiting_since: TimeNs = 0
    """Since when the present reason is `awaiting_venue` without being recorded; 0 when it is not."""


class GridState(msgspec.Struct, kw_only=True):
    """The complete durable state of a symbol. The core resumes from it alone."""

    venue: VenueId
    symbol: Symbol
    instance: str
    generation: int
    """Incremented each time the symbol is added; part of the order ids."""
    settings: GridSettings
    instrument: Instrument
    anchor: Price | None = None
    """The first price received: the price of level 0. Never changes."""
    center: int = 0
    """The level at the center of the window."""
    closing_center: int | None = None
    """The level that closing orders are in the window of, where `inventory_skew` moves the center; else None."""
    price: Price | None = None
    """The price of the last decision."""
    bid: Price = ZERO
    """The best bid at that time; 0 when there was none."""
    ask: Price = ZERO
    price_time: TimeNs = 0
    """The time of these prices."""
    mark: Price = ZERO
    """The venue's mark price at that time; 0 where it has none."""
    doubted_price: Price = ZERO
    """The price of a tick that jumped by more than `max_price_jump` and waits for confirmation; 0 without one."""
    doubted_time: TimeNs = 0
    """The time of that tick."""
    time: TimeNs = 0
    """The newest market time known; never decreases."""
    paused: bool = False
    paused_by: str = ""
    """The operator of the pause and the reason given: `alice: maintenance`; empty while not paused, and in version 1."""
    margin_locked_until: TimeNs = 0
    """Of versions 1 and 2 only: now `margin_locks` has the locks by side."""
    margin_locks: dict[Side, MarginLock] = {}
    balance: Money | None = None
    """The balance of the settlement currency, where a limit is a share of it; None while unknown."""
    slots: dict[int, Slot] = {}
    """By level, in ascending order."""
    next_cycle: int = 1
    """The first cycle of a new slot: above every cycle of the dropped slots."""
    finished: list[FinishedOrder] = []
    refused_cancels: dict[ClientOrderId, RefusedCancel] = {}
    """By open order."""
    funding_ids: list[str] = []
    """Of version 1 only: now `booked_funding` has the newest payments."""
    accounts: Accounts = msgspec.field(default_factory=Accounts)
    watched: dict[Symbol, MonitoredSymbol] = {}
    """The symbols monitored by the market risk guard."""
    is_market_risky: bool = False
    traded_time: TimeNs = 0
    """The time of the newest booked trade."""
    foreign_position: SignedQuantity = ZERO
    """The account's position before the grid's first trade, not part of the grid."""
    position_gap: SignedQuantity = ZERO
    """The unexplained part of the venue's position at the last reconciliation pass."""
    venue_position: SignedQuantity | None = None
    """The venue's position while it differs from the books in two passes in a row; None while it does not."""
    unbooked_trades: list[Trade] = []
    """The newest trades of the account that are not the grid's, since the position last matched: they explain a gap."""
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    feed_lost_time: TimeNs = 0
    """The time of the newest tick before the feed was lost; also the flag of the loss: 0 while the feed is up."""
    halt: Halt | None = None
    """The stop in effect; None while the grid may quote."""
    removed: bool = False
    """Whether the symbol is no longer traded and has no open order."""
    exiting: bool = False
    """Whether the engine shut down and canceled its orders; the next engine places them again."""
    asked: list[PendingReconciliation] = []
    """`reconcile` commands that wait for a sweep."""
    pending: list[PendingCommand] = []
    """Accepted commands whose orders have not all ended, or whose flattening or removal is not complete."""
    is_exposure_limited: bool = False
    """Whether the exposure of all symbols is at its limit, so that nothing is opened."""
    global_breaker: BreakerState = BreakerState.CLOSED
    """The circuit breaker over all symbols."""
    stride: int = 1
    """Distance between the levels in use, which are its multiples."""
    volatility: Volatility = msgspec.field(default_factory=Volatility)
    startup: Startup | None = None
    """The preconditions of the first order; None when it was placed or has no preconditions."""
    booked_through: TimeNs = 0
    """The mark of booked trades, in venue time: every own trade up to here is booked, or is not the grid's."""
    booked_trades: dict[TradeId, TimeNs] = {}
    """The booked trades newer than the mark less an overlap, with their times; those of unfinished orders are kept there."""
    alerted_ids: list[str] = []
    """The newest trades and payments that were not booked and of which an alert was raised."""
    last_fill_step: int = 0
    """The newest step that booked a trade; 0 before the first, and in version 1."""
    booked_funding: dict[str, TimeNs] = {}
    """The newest booked payments with their times."""
    funding_floor: TimeNs = 0
    """The time of the newest payment dropped from `booked_funding`: an unknown payment up to here is not booked."""
    restore_id: str = ""
    """The newest restore of the bus that was taken into account, see `SymbolEntry`."""
    resynced_from: TimeNs = 0
    resynced_through: TimeNs = 0
    """The venue times between which the newest resynchronization read all own trades. They are booked: a repeated one that
    is older than the mark is no news."""
    resync: Resync | None = None
    """The pending reading of orders and trades from the venue; None normally."""
    earlier: EarlierGenerations | None = None
    """The result of the earlier generations; None when the symbol was added once."""
    ledger_from: TimeNs = 0
    """Venue time from which every fill is on the stream ENGINE; 0 when it has all since the grid's first trade."""
    lost_fills: int = 0
    """The fills that ENGINE lost for good. The accounts include them."""
    quoting: QuotingRecord | None = None
    """The reason for not quoting as last published; None before the first step of version 2."""
