"""Messages to browsers: `{"type": ..., "data": ...}`, decimals as plain strings, `time` in seconds.

Types and fields are those of the earlier live server, so that its page keeps working. Additions for the own page are
further fields, and the types at the end of `MessageType`. docs/live-messages.md is generated from the structs.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from liveserver.protocol.grid_messages import (
    ActiveRisk,
    ControlData,
    CorrectionData,
    GridData,
    ProfitData,
    QuotingData,
    ReconciliationData,
    RiskAlertData,
    RiskStatusData,
    ShownProfit,
    SlotData,
)
from liveserver.protocol.market_messages import (
    AccountData,
    CandleData,
    MarketData,
    OrderData,
    PositionData,
    ReportData,
    StatusData,
    SymbolData,
    TickerData,
    TradeData,
)
from liveserver.protocol.session_messages import SessionData

__all__ = [
    "AccountData",
    "ActiveRisk",
    "CandleData",
    "ControlData",
    "CorrectionData",
    "Data",
    "GridData",
    "MarketData",
    "MarketMessage",
    "Message",
    "MessageType",
    "OrderData",
    "PositionData",
    "ProfitData",
    "QuotingData",
    "ReconciliationData",
    "ReportData",
    "RiskAlertData",
    "RiskStatusData",
    "ShownProfit",
    "SlotData",
    "StatusData",
    "SymbolData",
    "TickerData",
    "TradeData",
    "encode_message",
]


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
    POSITION_CORRECTED = "position_corrected"
    """A difference from the venue's position that was booked without a fill."""
    TRADE_HISTORY = "trade_history"
    """Recent trades in a snapshot; the earlier page would announce each `trade_event`."""
    QUOTING = "quoting"
    """The reason for not quoting changed; `grid_state` has the present one."""
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
    | QuotingData
    | ReconciliationData
    | CorrectionData
    | ControlData
    | StatusData
    | TickerData
    | SessionData
)


class Message(msgspec.Struct, frozen=True):
    """One message to a browser."""

    type: MessageType
    """The type of the message, which decides the type of `data`."""
    data: Data | Sequence[CandleData] | Sequence[OrderData] | Sequence[TradeData] | Sequence[SymbolData]
    """The content: one object or an array."""


class MarketMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message in `opensqt.v2`, with the market it concerns and the event it follows from.

    Example: `{"type":"fill","data":{...},"venue":"sim","symbol":"BTC/USDT:USDT","seq":"ENGINE:42"}`
    """

    type: MessageType
    """The type of the message, which decides the type of `data`."""
    data: Data | Sequence[CandleData] | Sequence[OrderData] | Sequence[TradeData] | Sequence[SymbolData]
    """The content: one object or an array."""
    venue: str = ""
    """The id of the venue."""
    symbol: str = ""
    """The ccxt symbol; `venue` and `symbol` are absent in messages that concern no market."""
    seq: str = ""
    """`STREAM:sequence`; absent in snapshots."""
    replayed: int = 0
    """In replays, the time when the bus stored the event, in milliseconds; absent in live data."""


_encoder = msgspec.json.Encoder()

encode_message: Callable[[Message | MarketMessage], bytes] = _encoder.encode
"""Encode a message as the JSON text of a frame."""
