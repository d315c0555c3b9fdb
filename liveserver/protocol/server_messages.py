"""What a browser is sent: `{"type": ..., "data": ...}`, decimals as plain strings, `time` in seconds.

The types and fields are those of the earlier live server, so that its page works as it is; what our own page needs
beyond them are further fields, and the types at the end of `MessageType`.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from liveserver.protocol.answers import Answer
from schemas.units import SECOND_NS, Side, TimeNs


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
    # Ours alone: an earlier page passes over them.
    TICKER = "ticker"
    FILL = "fill"
    """How the grid booked a trade that was told before."""
    TRADE_HISTORY = "trade_history"
    """Recent trades at once; an earlier page would celebrate each `trade_event`."""
    SYMBOLS = "symbols"
    SERVER = "server"
    ERROR = "error"
    COMMAND = "command"
    """What became of a command that was given on this socket."""
    # Of `opensqt.v2` alone.
    SNAPSHOT = "snapshot"
    RESUMED = "resumed"
    STREAMS = "streams"
    REPLAY = "replay"


class CandleData(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candle; `time` is when it opened."""

    time: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    forming: bool = False


class OfMarket(msgspec.Struct, frozen=True, kw_only=True):
    """What concerns one market: `symbol` as the page writes it, and what it is exactly."""

    symbol: str
    """`BTCUSDT`"""
    venue: str
    market: str
    """The ccxt symbol."""


class AccountData(OfMarket, frozen=True, kw_only=True):
    """One asset of the account, as far as it concerns this market."""

    asset: str
    free: str
    balance: str
    margin_balance: str = msgspec.field(name="marginBalance")
    equity: str
    unrealized_pnl: str = msgspec.field(name="unrealizedPnL")
    time: int


class OrderData(OfMarket, frozen=True, kw_only=True):
    """One order and its state."""

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


class ReportData(OfMarket, frozen=True, kw_only=True):
    """What the venue said of one order; what it did not say is null, and as it was."""

    id: str
    price: str | None
    side: str | None
    status: str
    type: str = "LIMIT"
    quantity: str | None
    filled: str
    time: int
    detail: str


class TradeData(OfMarket, frozen=True, kw_only=True):
    """One own trade; from `opens` on, what the grid made of it, once it is booked."""

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


class PositionData(OfMarket, frozen=True, kw_only=True):
    """The position; `amount` is negative when it is short."""

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
    """One lattice level."""

    slot_id: int
    price: str
    side: str | None
    status: str
    held: str
    order_id: str | None
    order_price: str | None


class GridData(OfMarket, frozen=True, kw_only=True):
    """The grid and its books. At a price p: total = cash + position*p - fees + funding."""

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


class RiskAlertData(OfMarket, frozen=True, kw_only=True):
    """A guard stepped in or back, or something that a person should look at."""

    severity: str
    reason: str
    details: str
    active: bool
    time: int
    step: int


class ActiveRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A guard that is holding something back now."""

    severity: str
    reason: str
    details: str
    time: int


class RiskStatusData(OfMarket, frozen=True, kw_only=True):
    """All guards that are active; `status` is `normal` when none is."""

    status: str
    active: tuple[ActiveRisk, ...]


class ReconciliationData(OfMarket, frozen=True, kw_only=True):
    """A difference between our books and the venue's, and what was done."""

    finding: str
    order_id: str
    action: str
    time: int
    step: int


class ControlData(OfMarket, frozen=True, kw_only=True):
    """The answer to a command."""

    command: str
    command_id: str
    outcome: str
    detail: str
    operator: str
    reason: str
    time: int
    step: int


class StatusData(OfMarket, frozen=True, kw_only=True):
    """What is shown, and whether its market feed can be relied on."""

    feed: str
    """`up`, `down`, `gapped`, or `unknown` before the first word of it."""
    feed_reason: str
    interval: str
    intervals: tuple[str, ...]


class TickerData(OfMarket, frozen=True, kw_only=True):
    """The best prices and the last one."""

    bid: str
    ask: str
    last: str
    time: int
    time_ms: int


class SymbolData(OfMarket, frozen=True, kw_only=True):
    """One entry of the list of symbols, with what matters most of it."""

    price: str | None
    is_traded: bool
    total_profit: str | None
    not_quoting: str | None
    feed: str


class ServerData(msgspec.Struct, frozen=True, kw_only=True):
    """Who is speaking, and whether it hears the bus."""

    replica: str
    status: str
    """`waiting` until the bus was read once, `live`, `cut` while the bus is out of reach."""
    time_ms: int
    uptime: int
    clients: int
    redacted: bool = False
    """What follows has no amounts: see `liveserver.redaction`."""


class ErrorData(msgspec.Struct, frozen=True, kw_only=True):
    """Why a socket is about to be closed."""

    error: str
    known: tuple[str, ...] = ()


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
    | ServerData
    | ErrorData
    | Answer
)


class Message(msgspec.Struct, frozen=True):
    """One message to a browser."""

    type: MessageType
    data: Data | Sequence[CandleData] | Sequence[OrderData] | Sequence[TradeData] | Sequence[SymbolData]


class MarketMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as `opensqt.v2` has it: it says what it is about, and which event it follows from."""

    type: MessageType
    data: Data | Sequence[CandleData] | Sequence[OrderData] | Sequence[TradeData] | Sequence[SymbolData]
    venue: str = ""
    symbol: str = ""
    """The ccxt symbol; neither is there where the message is about no market."""
    seq: str = ""
    """`STREAM:number`; a snapshot has none."""
    replayed: int = 0
    """When the bus stored it, in milliseconds: it is the past. Not there when it is the present."""


_encoder = msgspec.json.Encoder()


text: Callable[[Message | MarketMessage], bytes] = _encoder.encode
"""Returns the text of a message, as it goes into a frame."""


def plain(value: Decimal) -> str:
    """Return a decimal as digits, never with an exponent."""
    return format(value, "f")


def plain_or_none(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def seconds(time: TimeNs) -> int:
    return time // SECOND_NS


def upper(side: Side | None) -> str | None:
    """Return a side as order messages write it."""
    return None if side is None else side.value.upper()
