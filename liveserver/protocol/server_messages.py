"""Messages to browsers: `{"type": ..., "data": ...}`, decimals as plain strings, `time` in seconds.

Types and fields are those of the earlier live server, so that its page keeps working. Additions for the own page are
further fields, and the types at the end of `MessageType`.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from liveserver.protocol.session_messages import SessionData


class MessageType(StrEnum):
    """The `type` of a message."""

    HISTORY = "history"
    KLINE = "kline"
    ACCOUNT = "account"
    ORDERS = "orders"
    TRADE_EVENT = "trade_event"
    POSITION = "position"
    GRID_STATE = "grid_state"
    RISK_ALERT = "risk_alert"
    RISK_STATUS = "risk_status"
    RECONCILIATION = "reconciliation"
    CONTROL = "control"
    STATUS = "status"
    # Additions, which the earlier page ignores.
    TICKER = "ticker"
    FILL = "fill"
    """The grid's booking of a trade that was sent before."""
    TRADE_HISTORY = "trade_history"
    """Recent trades in a snapshot; the earlier page would announce each `trade_event`."""
    SYMBOLS = "symbols"
    SERVER = "server"
    ERROR = "error"
    COMMAND = "command"
    """Result of a command that was given on this socket."""
    # Only in `opensqt.v2`.
    SNAPSHOT = "snapshot"
    RESUMED = "resumed"
    STREAMS = "streams"
    REPLAY = "replay"


class CandleData(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candle; `time` is its open time."""

    time: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    forming: bool = False


class MarketData(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the messages about one market."""

    symbol: str
    """The name used by the page: `BTCUSDT`."""
    venue: str
    market: str
    """The ccxt symbol."""


class AccountData(MarketData, frozen=True, kw_only=True):
    """Balance of one asset that concerns this market."""

    asset: str
    free: str
    balance: str
    margin_balance: str = msgspec.field(name="marginBalance")
    equity: str
    unrealized_pnl: str = msgspec.field(name="unrealizedPnL")
    time: int


class OrderData(MarketData, frozen=True, kw_only=True):
    """State of one order."""

    id: str
    price: str
    side: str
    """`BUY` or `SELL`"""
    status: str
    type: str = "LIMIT"
    quantity: str
    filled: str
    reduce_only: bool
    time: int
    detail: str = ""


class ReportData(MarketData, frozen=True, kw_only=True):
    """One order report of the venue; null means: unchanged, not part of the report."""

    id: str
    price: str | None
    side: str | None
    status: str
    type: str = "LIMIT"
    quantity: str | None
    filled: str
    time: int
    detail: str


class TradeData(MarketData, frozen=True, kw_only=True):
    """One own trade; the fields from `opens` on are set once the grid has booked it."""

    side: str
    """`buy` or `sell`"""
    price: str
    amount: str
    time: int
    time_ms: int
    trade_id: str
    order_id: str
    fee: str
    fee_asset: str
    is_maker: bool
    opens: bool | None = None
    level: int | None = None
    grid_profit: str | None = None


class PositionData(MarketData, frozen=True, kw_only=True):
    """The position; `amount` is negative when short."""

    amount: str
    entry_price: str = msgspec.field(name="entryPrice")
    unrealized_pnl: str = msgspec.field(name="unrealizedPnL")
    leverage: str
    side: str
    """`LONG`, `SHORT` or `FLAT`"""
    mark_price: str = msgspec.field(name="markPrice")
    liquidation_price: str | None = msgspec.field(name="liquidationPrice")
    time: int


class SlotData(msgspec.Struct, frozen=True, kw_only=True):
    """One price level of the grid."""

    slot_id: int
    price: str
    side: str | None
    status: str
    held: str
    order_id: str | None
    order_price: str | None


class GridData(MarketData, frozen=True, kw_only=True):
    """The grid and its accounting. At a price p: total = cash + position*p - fees + funding."""

    anchor_price: str | None
    price_interval: str | None
    slots: tuple[SlotData, ...]
    step: int
    mode: str
    center: int
    price: str | None
    paused: bool
    not_quoting: str | None
    position: str
    cash: str
    fees: str
    funding: str
    grid_profit: str
    unpaired_profit: str
    total_profit: str
    buy_and_hold: str
    closed_trades: int
    opened_trades: int
    volume: str
    first_time: int
    time: int


class RiskAlertData(MarketData, frozen=True, kw_only=True):
    """A guard was activated or cleared, or the engine raised an alert."""

    severity: str
    reason: str
    details: str
    active: bool
    time: int
    step: int


class ActiveRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A guard that is active now."""

    severity: str
    reason: str
    details: str
    time: int


class RiskStatusData(MarketData, frozen=True, kw_only=True):
    """All active guards; `status` is `active`, or `normal` without any."""

    status: str
    active: tuple[ActiveRisk, ...]


class ReconciliationData(MarketData, frozen=True, kw_only=True):
    """A difference between the engine's orders and the venue's, and the action taken."""

    finding: str
    order_id: str
    action: str
    time: int
    step: int


class ControlData(MarketData, frozen=True, kw_only=True):
    """The engine's answer to a command."""

    command: str
    command_id: str
    outcome: str
    detail: str
    operator: str
    reason: str
    time: int
    step: int


class StatusData(MarketData, frozen=True, kw_only=True):
    """Intervals of the market, and the state of its market feed."""

    feed: str
    """`up`, `down`, `gapped` (connected, but data was missed), or `unknown` before the first report."""
    feed_reason: str
    interval: str
    intervals: tuple[str, ...]


class TickerData(MarketData, frozen=True, kw_only=True):
    """Best bid, best ask and last price."""

    bid: str
    ask: str
    last: str
    time: int
    time_ms: int


class SymbolData(MarketData, frozen=True, kw_only=True):
    """One entry of the list of symbols."""

    price: str | None
    is_traded: bool
    total_profit: str | None
    not_quoting: str | None
    feed: str


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
    total_profit: str
    fees: str
    """All fees paid, including those of closed pairs."""
    volume: str
    """Traded on both sides, in quote currency."""
    buy_and_hold: str
    """Profit of holding a full window's worth since the start."""
    closed_pairs: int
    opened_trades: int
    days: str
    """Since the first trade."""
    pairs_per_day: str | None
    """None in the first 24 hours."""
    per_year: str | None
    """Total profit extrapolated to 365 days; not a forecast. None in the first 24 hours."""
    per_year_of_equity: str | None
    """`per_year` as a share of the account's equity, other symbols included, less the profit."""
    first_time: int
    time: int


Data = (
    CandleData
    | AccountData
    | OrderData
    | ReportData
    | TradeData
    | PositionData
    | GridData
    | RiskAlertData
    | RiskStatusData
    | ReconciliationData
    | ControlData
    | StatusData
    | TickerData
    | SessionData
)


class Message(msgspec.Struct, frozen=True):
    """One message to a browser."""

    type: MessageType
    data: Data | Sequence[CandleData] | Sequence[OrderData] | Sequence[TradeData] | Sequence[SymbolData]


class MarketMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message in `opensqt.v2`, with the market it concerns and the event it follows from.

    Example: `{"type":"fill","data":{...},"venue":"sim","symbol":"BTC/USDT:USDT","seq":"ENGINE:42"}`
    """

    type: MessageType
    data: Data | Sequence[CandleData] | Sequence[OrderData] | Sequence[TradeData] | Sequence[SymbolData]
    venue: str = ""
    symbol: str = ""
    """The ccxt symbol; `venue` and `symbol` are absent in messages that concern no market."""
    seq: str = ""
    """`STREAM:sequence`; absent in snapshots."""
    replayed: int = 0
    """In replays, the time when the bus stored the event, in milliseconds; absent in live data."""


_encoder = msgspec.json.Encoder()

encode_message: Callable[[Message | MarketMessage], bytes] = _encoder.encode
"""Encode a message as the JSON text of a frame."""
