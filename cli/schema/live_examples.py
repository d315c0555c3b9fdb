"""Example data of every message of the live protocol."""

import msgspec

from liveserver.protocol import client_messages as client
from liveserver.protocol import server_messages as market
from liveserver.protocol import session_messages as session
from liveserver.protocol.cursors import SnapshotReason, StreamCursor
from liveserver.protocol.server_messages import MessageType
from schemas.engine.control import CommandName

VENUE = "sim"
MARKET = "BTC/USDT:USDT"
NAME = "BTCUSDT"
TIME_S = 1_795_787_400
ORDER_ID = "old4uwdq01m00001B000001"
CREATED = "2026-11-27T13:49:25.078993647Z"
CURSORS = {
    stream: StreamCursor(CREATED, sequence)
    for stream, sequence in (
        ("CANDLES", 6000),
        ("ORDERS", 1987),
        ("ENGINE", 1260),
        ("ALERTS", 87),
        ("CONTROL", 56),
        ("JOURNAL", 4569),
    )
}

CANDLE = market.CandleData(
    time=TIME_S - 60, open="72356.5", high="72493.3", low="72344.2", close="72408.0", volume="0.29772"
)

FORMING = msgspec.structs.replace(CANDLE, time=TIME_S, forming=True)

ACCOUNT = market.AccountData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    asset="USDT",
    free="9871.20",
    balance="10003.41",
    margin_balance="10001.07",
    equity="10001.07",
    unrealized_pnl="-2.34",
    time=TIME_S,
    total_equity="10211.57",
    equity_asset="USDT",
)

ORDER = market.OrderData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    id=ORDER_ID,
    price="72320.0",
    side="BUY",
    status="NEW",
    quantity="0.00069",
    filled="0",
    reduce_only=False,
    time=TIME_S,
)

REPORT = market.ReportData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    id=ORDER_ID,
    price=None,
    side=None,
    status="CANCELED",
    quantity=None,
    filled="0",
    time=TIME_S,
    detail="",
)

TRADE = market.TradeData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    side="buy",
    price="72320.0",
    amount="0.00069",
    time=TIME_S,
    time_ms=TIME_S * 1000 + 250,
    trade_id="101",
    order_id=ORDER_ID,
    fee="0.00998016",
    fee_asset="USDT",
    is_maker=True,
    fee_value="0.00998016",
)

FILL = msgspec.structs.replace(TRADE, opens=True, level=-1, grid_profit="0", is_fee_estimated=False)

POSITION = market.PositionData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    amount="0.00069",
    entry_price="72320.0",
    unrealized_pnl="0.06",
    leverage="10",
    side="LONG",
    mark_price="72408.0",
    liquidation_price=None,
    time=TIME_S,
)

SLOT = market.SlotData(
    slot_id=-1, price="72320.0", side="BUY", status="FILLED", held="0.00069", order_id=None, order_price=None
)

GRID = market.GridData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    anchor_price="72360.0",
    price_interval="40",
    slots=(SLOT,),
    step=589,
    mode="neutral",
    center=0,
    price="72408.0",
    paused=False,
    not_quoting=None,
    position="0.00069",
    cash="-49.9008",
    fees="0.00998016",
    funding="0",
    grid_profit="0",
    unpaired_profit="0.06072",
    total_profit="0.05073984",
    buy_and_hold="0.33167496",
    closed_trades=0,
    opened_trades=1,
    volume="49.9008",
    first_time=TIME_S,
    time=TIME_S,
    entry_price="72320.0",
    shown=market.ShownProfit(
        total="0.05", grid_profit="0.00", unpaired="0.06", open_fees="-0.01", funding="0.00"
    ),
)

RISK_ALERT = market.RiskAlertData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    severity="HIGH",
    reason="feed_lost",
    message="no tick for 5 s",
    details={"price_age_s": "5.2", "limit_s": "5"},
    active=True,
    time=TIME_S,
    step=590,
    incident="",
)

RISK_STATUS = market.RiskStatusData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    status="active",
    active=(
        market.ActiveRisk(
            severity="HIGH",
            reason="feed_lost",
            message=RISK_ALERT.message,
            details=RISK_ALERT.details,
            time=TIME_S,
        ),
    ),
)

QUOTING = market.QuotingData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    previous=None,
    reason="feed_lost",
    text="The market feed is stale or down.",
    detail="",
    time=TIME_S,
    step=590,
)

RECONCILIATION = market.ReconciliationData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    finding="unknown_here",
    order_id="by-hand-1",
    action="left alone",
    time=TIME_S,
    step=591,
)

CORRECTION = market.CorrectionData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    amount="-0.00069",
    price="70103.5",
    fee="0.24185707",
    grid_profit="-1.77",
    position="0",
    reason="liquidated",
    operator="alice",
    trade_ids=("9107",),
    time=TIME_S,
    time_ms=TIME_S * 1000 + 250,
    step=593,
)

CONTROL = market.ControlData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    command="pause",
    command_id="58d2f03b9f4c970d",
    outcome="applied",
    detail="",
    operator="alice",
    reason="maintenance",
    time=TIME_S,
    step=592,
)

STATUS = market.StatusData(
    symbol=NAME, venue=VENUE, market=MARKET, feed="up", feed_reason="", interval="1m", intervals=("1m", "5m")
)

TICKER = market.TickerData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    bid="72407.9",
    ask="72408.0",
    last="72408.0",
    time=TIME_S,
    time_ms=TIME_S * 1000 + 250,
    age_ms=12,
)

SYMBOL = market.SymbolData(
    symbol=NAME,
    venue=VENUE,
    market=MARKET,
    price="72408.0",
    is_traded=True,
    total_profit="0.05073984",
    not_quoting=None,
    feed="up",
    quote="USDT",
    price_time_ms=TIME_S * 1000 + 250,
)

SERVER = session.ServerData(
    replica="liveserver-1",
    status="live",
    time_ms=TIME_S * 1000,
    uptime=3600,
    clients=2,
    parts=(
        session.PartData(
            kind="gateway",
            name="gateway",
            state="silent",
            age_ms=4100,
            venues=(VENUE,),
            detail="The gateway has sent no heartbeat since 07:47:41 UTC: no order can be sent or canceled.",
            remedy="kill -CONT 4711 continues it; kill -KILL 4711 ends it, and `up` restarts it.",
        ),
        session.PartData(
            kind="engine", name="engine", state="ok", age_ms=310, venues=(), detail="", remedy=""
        ),
    ),
)

ERROR = session.ErrorData(error="unknown symbol DOGEUSDT", known=("BTCUSDT", "ETHUSDT"))

COMMAND = session.CommandAnswer(
    command_id="58d2f03b9f4c970d",
    state=session.CommandState.ANSWERED,
    command="pause",
    key="pause-1",
    venue=VENUE,
    market=MARKET,
    final=True,
    outcome="applied",
    detail="12 opening orders canceled; closing orders and a position of 0.0016 BTC stay",
    step=592,
    time=TIME_S,
    orders_canceled=12,
    orders_out=0,
    position="0.0016",
)

SNAPSHOT = session.SnapshotData(
    reason=SnapshotReason.FIRST,
    streams=CURSORS,
    markets=(session.SnapshotMarket(VENUE, MARKET, "1m"),),
)

RESUMED = session.ResumedData(streams=CURSORS)

STREAMS = session.StreamsData(streams=CURSORS)

REPLAY = session.ReplayData(
    state=session.ReplayState.PLAYING, start=TIME_S - 3600, end=TIME_S, at=TIME_S - 1800, speed=10.0
)

SEQUENCES = {
    MessageType.KLINE: "CANDLES:6000",
    MessageType.ORDERS: "ORDERS:1987",
    MessageType.TRADE_EVENT: "ORDERS:1986",
    MessageType.FILL: "ENGINE:1258",
    MessageType.RISK_ALERT: "ENGINE:1259",
    MessageType.QUOTING: "ENGINE:1261",
    MessageType.RECONCILIATION: "ENGINE:1260",
    MessageType.CONTROL: "CONTROL:56",
    MessageType.GRID_STATE: "JOURNAL:4569",
    MessageType.TICKER: "MARKET:120345",
    MessageType.POSITION: "ACCOUNT:655",
    MessageType.ACCOUNT: "ACCOUNT:656",
}
"""`seq` of the examples that are about one stored event."""

TOPICS = (client.Topic(symbol=NAME, interval="1m"),)

REQUESTS: tuple[msgspec.Struct, ...] = (
    client.Subscribe(client.SubscribeData(TOPICS)),
    client.Resume(client.ResumeData(TOPICS, CURSORS)),
    client.Replay(client.ReplayRange(TOPICS, "2026-11-27T12:00:00Z", "2026-11-27T13:00:00Z", 10.0)),
    client.Pause(),
    client.Play(client.PlayData("max")),
    client.Seek(client.SeekData(TIME_S - 1800)),
    client.Stop(),
    client.Control(
        client.ControlRequest(
            command=CommandName.SET,
            symbol=NAME,
            reason="smaller orders",
            key="set-1",
            arguments={"changes": {"order_amount": "40 USDT"}},
        )
    ),
)
"""One of every message of a client."""
