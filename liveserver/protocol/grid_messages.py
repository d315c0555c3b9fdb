"""Data of the messages about a grid: levels, profit, risks, reconciliation, answers to commands."""

import msgspec

from liveserver.protocol.market_messages import MarketData


class SlotData(msgspec.Struct, frozen=True, kw_only=True):
    """One price level of the grid."""

    slot_id: int
    """The level, counted from the anchor: `-1` is the first one below."""
    price: str
    """Price of the level, in quote currency."""
    side: str | None
    """`BUY` or `SELL`: of its position, otherwise of its order; null if it is empty."""
    status: str
    """`EMPTY`, `OPEN` (an order) or `FILLED` (a position)."""
    held: str
    """Position of the level, in base currency; negative is short."""
    order_id: str | None
    """The client order id; null without an order."""
    order_price: str | None
    """Limit price of the order; null without an order."""


class ShownProfit(msgspec.Struct, frozen=True, kw_only=True):
    """Profit to display, in quote currency: rounded amounts, of which the last four add up to `total` exactly."""

    total: str
    """Total profit: `-12.69`."""
    grid_profit: str
    """Of closed pairs, net of the fees on both sides."""
    unpaired: str
    """Of the holdings. It takes what rounding leaves over."""
    open_fees: str
    """Fees of the holdings, as a summand: negative for a cost."""
    funding: str
    """Positive is received, negative is paid."""


class GridData(MarketData, frozen=True, kw_only=True):
    """The grid and its accounting. At a price p: total = cash + position*p - fees + funding."""

    anchor_price: str | None
    """Price of level 0, in quote currency, fixed at the start; null before the first price."""
    price_interval: str | None
    """Distance of two levels at the anchor price, in quote currency."""
    slots: tuple[SlotData, ...]
    """The levels of the window, and those with an order or a position."""
    step: int
    """The step of the journal from which this state follows."""
    mode: str
    """`long` or `neutral`."""
    center: int
    """The level at the center of the window."""
    price: str | None
    """The price of this step, at which its profit is valued, in quote currency; null before the first price.

    At a newer price of a `ticker`, `unpaired_profit` and `total_profit` change by `position` * the difference.
    """
    paused: bool
    """Whether an operator paused the grid."""
    not_quoting: str | None
    """Why the grid has no opening orders, such as `market_risk`; null if it has."""
    position: str
    """Position of all levels, in base currency; negative is short."""
    cash: str
    """Sum of sales minus purchases, in quote currency, without fees."""
    fees: str
    """All fees paid, in quote currency."""
    funding: str
    """Funding payments, in quote currency: positive is received, negative is paid."""
    grid_profit: str
    """Profit of closed round trips, net of the fees on both sides, in quote currency."""
    unpaired_profit: str
    """Unrealized profit of the levels' positions at `price`, in quote currency."""
    total_profit: str
    """`cash` + `position` * `price` - `fees` + `funding`, in quote currency."""
    buy_and_hold: str
    """Profit of holding a full window's worth since the start, in quote currency, for comparison."""
    closed_trades: int
    """Number of closing trades."""
    opened_trades: int
    """Number of opening trades."""
    volume: str
    """Traded on both sides, in quote currency."""
    first_time: int
    """Time of the first trade, in seconds since the epoch; 0 before it."""
    time: int
    """Market time of the step, in seconds since the epoch."""
    fees_other: dict[str, str] = msgspec.field(default_factory=dict)
    """Fees in assets without a price here, by asset: all profit is before them."""
    venue_position: str | None = None
    """The position at the venue, in base currency, while it differs from the books (`position` plus `foreign_position`);
    otherwise null."""
    foreign_position: str = "0"
    """The account's position from before the grid, in base currency, not part of `position`."""
    not_quoting_text: str = ""
    """`not_quoting` as a sentence, with its detail; empty if the grid quotes."""
    not_quoting_remedy: str = ""
    """What ends it, or what to do: a command line where there is one."""
    halted_by: str = ""
    """Who paused or stopped the grid, and why; empty if nobody did."""
    entry_price: str | None = None
    """Average price at which the levels' position was opened, from own trades, in quote currency; null when flat."""
    closed_pairs: int = 0
    """Number of round trips that ended, however many trades closed each."""
    dust: str = "0"
    """The part of `position` in levels that hold less than the venue's minimum order, in base currency."""
    ledger_from: int = 0
    """Time from which every fill is stored, in seconds since the epoch; 0 if none since the first trade was lost."""
    shown: ShownProfit | None = None
    """The profit at `price`, to display; null for viewers who see no amounts."""


class RiskAlertData(MarketData, frozen=True, kw_only=True):
    """A guard was activated or cleared, or a part raised an alert, or its cause has ended."""

    severity: str
    """`LOW`, `MEDIUM`, `HIGH` or `CRITICAL`."""
    reason: str
    """The guard, or the code of the alert: `feed_lost`."""
    message: str
    """A sentence for people."""
    details: dict[str, str]
    """The figures behind it, by name; money in quote currency, another unit ends the name (`limit_s`). Empty for alerts."""
    active: bool
    """Whether the guard is active; true for an alert, false for the end of its incident."""
    time: int
    """Market time, in seconds since the epoch; of an alert that follows from no step, the wall-clock time."""
    step: int
    """The step of the journal from which it follows; 0 when it follows from none."""
    incident: str = ""
    """The incident of an alert, which its end refers to; several messages may name one: show it once.

    Empty for a guard, and for an alert of version 1.
    """
    text: str = ""
    """What the code means, a sentence; `/api/reasons` lists all."""
    remedy: str = ""
    """What to do, with command lines to paste; empty when the condition has ended."""


class ActiveRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A guard that is active now."""

    severity: str
    """`LOW`, `MEDIUM`, `HIGH` or `CRITICAL`."""
    reason: str
    """The guard: `feed_lost`."""
    message: str
    """A sentence for people."""
    details: dict[str, str]
    """The figures behind it, as in `risk_alert`."""
    time: int
    """Market time of the activation, in seconds since the epoch."""
    text: str = ""
    """What the guard means, a sentence; `/api/reasons` lists all."""
    remedy: str = ""
    """What to do, with command lines to paste."""


class RiskStatusData(MarketData, frozen=True, kw_only=True):
    """All active guards; `status` is `active`, or `normal` without any."""

    status: str
    """`active` or `normal`."""
    active: tuple[ActiveRisk, ...]
    """The active guards, sorted by reason."""


class QuotingData(MarketData, frozen=True, kw_only=True):
    """The reason for not quoting changed, as recorded by a step of the engine."""

    previous: str | None
    """The reason before; null while the grid was quoting."""
    reason: str | None
    """The reason from now on, such as `market_risk`; null if the grid quotes. `/api/reasons` lists all."""
    text: str
    """The reason as a sentence; empty if the grid quotes."""
    detail: str
    """The explanation given by the guard behind the reason; empty without one."""
    time: int
    """Market time, in seconds since the epoch."""
    step: int
    """The step of the journal from which it follows."""


class ReconciliationData(MarketData, frozen=True, kw_only=True):
    """A difference between the engine's orders and the venue's, and the action taken."""

    finding: str
    """`missing_there`, `unknown_here`, `trades_missing`, `position_differs` or `position_adopted`."""
    order_id: str
    """The client order id; empty if no order is concerned."""
    action: str
    """What the engine did; text for people."""
    time: int
    """Market time, in seconds since the epoch."""
    step: int
    """The step of the journal from which it follows."""
    text: str = ""
    """What the finding means, a sentence; `/api/reasons` lists all."""
    remedy: str = ""
    """What to do, with command lines to paste; a sentence."""


class CorrectionData(MarketData, frozen=True, kw_only=True):
    """A difference from the venue's position that the grid booked without a fill; sums over fills have to include it."""

    amount: str
    """The change of the grid's position, in base currency, with its sign."""
    price: str
    """The average price, in quote currency."""
    fee: str
    """The fees of the explaining trades, in quote currency."""
    grid_profit: str
    """Profit of the amount that it closed, net of the fees on both sides, in quote currency."""
    position: str
    """The grid's position afterwards, in base currency."""
    reason: str
    """The operator's reason, or why it was booked automatically; text for people."""
    operator: str
    """Who accepted it; empty when it was booked automatically."""
    trade_ids: tuple[str, ...]
    """The trades that it explains, such as a liquidation: they are never booked as fills."""
    time: int
    """Market time, in seconds since the epoch."""
    time_ms: int
    """The same in milliseconds."""
    step: int
    """The step of the journal from which it follows."""


class ControlData(MarketData, frozen=True, kw_only=True):
    """The engine's answer to a command."""

    command: str
    """The name of the command: `pause`."""
    command_id: str
    """The id of the command."""
    outcome: str
    """`applied`, `unchanged`, `expired` or `refused`."""
    detail: str
    """What changed, or why nothing did; text for people."""
    operator: str
    """Who gave the command."""
    reason: str
    """The operator's reason."""
    time: int
    """Market time, in seconds since the epoch."""
    step: int
    """The step of the journal from which it follows."""


class ProfitData(MarketData, frozen=True, kw_only=True):
    """Profit of a grid, for the HTTP API: `total_profit` = grid profit + unpaired + open fees + funding."""

    price: str | None
    """The newest price, at which everything is valued; that of the grid's last step without a ticker."""
    grid_profit: str
    """Of closed pairs, net of the fees on both sides."""
    unpaired_profit: str
    """Of the holdings, valued at `price`."""
    open_fees: str
    """Fees of the holdings, not yet part of `grid_profit`, as a summand: negative for a cost."""
    funding: str
    """Funding payments: positive is received, negative is paid."""
    total_profit: str
    """The sum of the four before."""
    fees: str
    """All fees paid, including those of closed pairs."""
    volume: str
    """Traded on both sides, in quote currency."""
    buy_and_hold: str
    """Profit of holding a full window's worth since the start."""
    closed_pairs: int
    """Number of round trips that ended, however many trades closed each."""
    opened_trades: int
    """Number of opening trades."""
    days: str
    """Since the first trade."""
    pairs_per_day: str | None
    """None in the first 24 hours."""
    per_year: str | None
    """Total profit extrapolated to 365 days; not a forecast. None in the first 24 hours."""
    per_year_of_equity: str | None
    """`per_year` as a share of the account's equity, other symbols included, less the profit."""
    first_time: int
    """Time of the first trade, in seconds since the epoch; 0 before it."""
    time: int
    """Market time, in seconds since the epoch."""
    fees_other: dict[str, str] = msgspec.field(default_factory=dict)
    """Fees in assets without a price here, by asset: all profit is before them."""
    shown: ShownProfit | None = None
    """The profit at `price`, to display; null for viewers who see no amounts."""
