"""Data of the messages about a market: candles, ticker, feed, and the account's balance, orders, trades, position.

Decimals are strings. `time` is in seconds since the epoch, `time_ms` in milliseconds.
"""

import msgspec


class CandleData(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candle; `time` is its open time."""

    time: int
    """Open time, in seconds since the epoch."""
    open: str
    """First price, in quote currency."""
    high: str
    """Highest price, in quote currency."""
    low: str
    """Lowest price, in quote currency."""
    close: str
    """Last price, in quote currency."""
    volume: str
    """Traded quantity, in base currency."""
    forming: bool = False
    """Whether the candle is not closed yet."""


class MarketData(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the messages about one market."""

    symbol: str
    """The name used by the page: `BTCUSDT`."""
    venue: str
    """The id of the venue: `sim`."""
    market: str
    """The ccxt symbol."""


class AccountData(MarketData, frozen=True, kw_only=True):
    """Balance of one asset that concerns this market."""

    asset: str
    """The currency of all amounts: `USDT`."""
    free: str
    """Amount not reserved as margin or for orders, in `asset`."""
    balance: str
    """Total amount, without unrealized profit, in `asset`."""
    margin_balance: str = msgspec.field(name="marginBalance")
    """`balance` plus the unrealized profit of positions margined in this asset, in `asset`; on spot equal to `balance`."""
    equity: str
    """Equal to `marginBalance`."""
    unrealized_pnl: str = msgspec.field(name="unrealizedPnL")
    """Unrealized profit of all positions margined in this asset, in `asset`."""
    time: int
    """The venue's time, in seconds since the epoch."""
    total_equity: str | None = None
    """Worth of all assets of the account in `equity_asset` at the newest market prices, unrealized profit included; null
    while one of them has no price. `equity` is that of this asset alone."""
    equity_asset: str = ""
    """The market's settlement currency."""
    unpriced: tuple[str, ...] = ()
    """The assets held that have no price in `equity_asset`."""


class OrderData(MarketData, frozen=True, kw_only=True):
    """State of one order."""

    id: str
    """The client order id; that of the venue for an order placed elsewhere."""
    price: str
    """Limit price, in quote currency; `0` if not known yet."""
    side: str
    """`BUY` or `SELL`; empty if not known yet."""
    status: str
    """`NEW`, `PARTIALLY_FILLED`, `FILLED`, `CANCELED`, `EXPIRED` or `REJECTED`."""
    type: str = "LIMIT"
    """Always `LIMIT`."""
    quantity: str
    """Ordered quantity, in base currency; `0` if not known yet."""
    filled: str
    """Filled quantity, in base currency."""
    reduce_only: bool
    """Whether the order may only reduce a position."""
    time: int
    """The venue's time of the last change, in seconds since the epoch."""
    detail: str = ""
    """The venue's text, such as the reason of a rejection."""


class ReportData(MarketData, frozen=True, kw_only=True):
    """One order report of the venue; null means: unchanged, not part of the report."""

    id: str
    """The client order id; that of the venue for an order placed elsewhere."""
    price: str | None
    """Limit price, in quote currency."""
    side: str | None
    """`BUY` or `SELL`."""
    status: str
    """`NEW`, `PARTIALLY_FILLED`, `FILLED`, `CANCELED`, `EXPIRED` or `REJECTED`."""
    type: str = "LIMIT"
    """Always `LIMIT`."""
    quantity: str | None
    """Ordered quantity, in base currency."""
    filled: str
    """Filled quantity so far, in base currency."""
    time: int
    """The venue's time of the change, in seconds since the epoch."""
    detail: str
    """The venue's text, such as the reason of a rejection."""


class TradeData(MarketData, frozen=True, kw_only=True):
    """One own trade; the fields from `opens` on are set once the grid has booked it."""

    side: str
    """`buy` or `sell`"""
    price: str
    """Price, in quote currency."""
    amount: str
    """Quantity, in base currency."""
    time: int
    """The venue's time, in seconds since the epoch."""
    time_ms: int
    """The venue's time, in milliseconds since the epoch."""
    trade_id: str
    """The venue's id of the trade, unique within the market."""
    order_id: str
    """The client order id; empty for an order placed elsewhere."""
    fee: str
    """Fee in `fee_asset`; positive is paid, negative is a rebate."""
    fee_asset: str
    """The currency of the fee."""
    is_maker: bool
    """Whether the own order was resting in the book."""
    opens: bool | None = None
    """Whether the trade opened or increased the position of its level."""
    level: int | None = None
    """The level of the grid, counted from the anchor."""
    grid_profit: str | None = None
    """Profit of the matched quantity, net of the fees of both sides; `0` for an opening trade."""
    fee_value: str | None = None
    """The fee in quote currency; null when its asset has no price here."""
    is_fee_estimated: bool | None = None
    """Whether `fee_value` is an estimate; null without a value, and before the grid has booked the trade."""


class PositionData(MarketData, frozen=True, kw_only=True):
    """The position; `amount` is negative when short."""

    amount: str
    """Quantity, in base currency."""
    entry_price: str | None = msgspec.field(name="entryPrice")
    """Average entry price, in quote currency; null when flat, and when it is unknown. A spot venue reports none: it follows
    from the grid's trades, or from the own trades if these explain the whole holding."""
    unrealized_pnl: str | None = msgspec.field(name="unrealizedPnL")
    """Unrealized profit at the mark price; null when the entry price is unknown."""
    leverage: str
    """Leverage of the position: `10`; `0` in a replay, where it is not kept."""
    side: str
    """`LONG`, `SHORT` or `FLAT`"""
    mark_price: str = msgspec.field(name="markPrice")
    """The venue's mark price, in quote currency."""
    liquidation_price: str | None = msgspec.field(name="liquidationPrice")
    """The venue's liquidation price, in quote currency; null without one."""
    time: int
    """The venue's time, in seconds since the epoch."""


class StatusData(MarketData, frozen=True, kw_only=True):
    """Intervals of the market, and the state of its market feed."""

    feed: str
    """`up`, `down`, `gapped` (connected, but data was missed), or `unknown` before the first report."""
    feed_reason: str
    """Why the feed is in this state."""
    interval: str
    """The subscribed candle interval: `1m`."""
    intervals: tuple[str, ...]
    """All candle intervals of the market, shortest first."""
    problem: str = ""
    """Why the grid cannot be shown by this live server; empty if it can."""
    blocked: str | None = None
    """A code of `/api/reasons` while a part that the market needs is silent, or its venue or the bus is unreachable:
    whatever `grid_state` says, no order can be relied on. Otherwise null."""
    blocked_text: str = ""
    """`blocked` as a sentence."""
    blocked_remedy: str = ""
    """What to do about it."""
    recording: str = ""
    """The name of the recording that is replayed as the market; empty on a live or generated market."""
    recording_speed: float | None = None
    """Its speed-up factor, 0 in lock-step; null without a recording."""


class TickerData(MarketData, frozen=True, kw_only=True):
    """Best bid, best ask and last price."""

    bid: str
    """Best bid price, in quote currency."""
    ask: str
    """Best ask price, in quote currency."""
    last: str
    """Price of the last trade, in quote currency."""
    time: int
    """The venue's time, in seconds since the epoch."""
    time_ms: int
    """The venue's time, in milliseconds since the epoch."""
    age_ms: int = 0
    """Milliseconds from its receipt by the market publisher until this message was made; add the time since you got it."""


class SymbolData(MarketData, frozen=True, kw_only=True):
    """One entry of the list of symbols."""

    price: str | None
    """Price of the last trade, in quote currency; null before the first ticker."""
    is_traded: bool
    """Whether a grid trades the market. False after its removal, a few seconds before it leaves the list."""
    total_profit: str | None
    """Total profit of the grid at `price`, in quote currency; null without a grid."""
    not_quoting: str | None
    """Why the grid has no opening orders, such as `paused`; null if it has."""
    feed: str
    """`up`, `down`, `gapped` (connected, but data was missed), or `unknown` before the first report; `down` when removed."""
    fees_other: dict[str, str] = msgspec.field(default_factory=dict)
    """Fees in assets without a price here, by asset: `total_profit` is before them."""
    quote: str = ""
    """The quote currency, in which `total_profit` is."""
    last_trade_ms: int = 0
    """The venue's time of the newest own trade, in milliseconds since the epoch; 0 without one."""
    last_trade_side: str = ""
    """`buy` or `sell`: the side of the newest own trade; empty without one."""
    price_time_ms: int | None = None
    """The venue's time of `price`, in milliseconds since the epoch; null before the first ticker."""
