"""Example instruments, settings and events for all tests. Change a field with `msgspec.structs.replace`."""

from decimal import Decimal as D  # noqa: N817 - a hundred literals read better

from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.engine.events import CorrectedSlot, Fill, PositionCorrected
from schemas.engine.journal import Step, StreamOffset, SymbolEntry
from schemas.engine.portfolio import PortfolioLimits, PortfolioSettings, SymbolExposure
from schemas.grid.guard_state import BreakerState
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import (
    Accounts,
    FinishedOrder,
    GridState,
    Slot,
    SlotOrder,
)
from schemas.grid.view import GridView, NotQuoting, SlotStatus, SlotView
from schemas.units import Side, Symbol, TradeId, VenueId
from schemas.venue.account import Balance, OpenOrder, OpenOrders, Position
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Candle, Ticker
from schemas.venue.order_ids import order_id
from schemas.venue.orders import (
    CancelOrder,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    QueryOrder,
    RejectReason,
    Trade,
)

SIM = VenueId("sim")
BTC = Symbol("BTC/USDT:USDT")
TIME = 1_700_000_000_000_000_000
ID = order_id("sqt", BTC, 1, -2, Side.BUY, 12)

INSTRUMENT = Instrument(
    venue=SIM,
    symbol=BTC,
    kind=InstrumentKind.LINEAR_PERPETUAL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=D("0.1"),
    lot_size=D("0.0001"),
    minimum_quantity=D("0.0001"),
    minimum_notional=D(5),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
    maximum_leverage=D(20),
)
SETTINGS = GridSettings(mode=GridMode.NEUTRAL, order_amount=D(100), interval_ratio=D("0.001"))
PORTFOLIO = PortfolioSettings(max_exposure=D(1000))
PLACE = PlaceOrder(
    client_order_id=ID,
    side=Side.BUY,
    price=D("59880.1"),
    quantity=D("0.0016"),
    post_only=True,
    reduce_only=False,
    level=-2,
)
CANCEL = CancelOrder(client_order_id=ID, reason="outside the window")
QUERY = QueryOrder(client_order_id=ID, reason="absent from the sweep")
TICKER = Ticker(venue=SIM, symbol=BTC, bid=D("60000.0"), ask=D("60000.1"), last=D("60000.1"), time=TIME)
REPORT = OrderReport(
    venue=SIM,
    symbol=BTC,
    client_order_id=ID,
    status=OrderStatus.REJECTED,
    cumulative_quantity=D(0),
    time=TIME,
    venue_order_id="77",
    side=Side.BUY,
    price=D("59880.1"),
    quantity=D("0.0016"),
    reject_reason=RejectReason.POST_ONLY_WOULD_CROSS,
    detail="would take",
)
TRADE = Trade(
    venue=SIM,
    symbol=BTC,
    trade_id=TradeId("9001"),
    client_order_id=ID,
    side=Side.BUY,
    price=D("59880.1"),
    quantity=D("0.0016"),
    fee=D("0.01916164"),
    fee_asset="USDT",
    is_maker=True,
    time=TIME,
    venue_order_id="77",
)
FILL = Fill(
    venue=SIM,
    symbol=BTC,
    trade_id=TradeId("9001"),
    client_order_id=ID,
    level=-2,
    side=Side.BUY,
    price=D("59880.1"),
    quantity=D("0.0016"),
    fee=D("0.01916164"),
    fee_asset="USDT",
    opens=True,
    grid_profit=D(0),
    position=D("0.0016"),
    is_maker=True,
    step=3,
    time=TIME,
)
CORRECTION = PositionCorrected(
    venue=SIM,
    symbol=BTC,
    quantity=D("-0.0016"),
    price=D("57000.5"),
    cost=D("-91.2008"),
    fee=D("0.0456"),
    grid_profit=D("-4.67212164"),
    position=D(0),
    reason="liquidated",
    operator="ann",
    slots=(CorrectedSlot(level=-2, quantity=D("-0.0016")),),
    trade_ids=(TradeId("liquidation"),),
    step=3,
    time=TIME,
)
COMMAND = Command(
    venue=SIM,
    symbol=BTC,
    command_id="c-1",
    name=CommandName.PAUSE,
    operator="ann",
    reason="maintenance",
    time=TIME,
    expires_time=TIME + 30_000_000_000,
)
RESULT = CommandResult(
    venue=SIM,
    symbol=BTC,
    command_id="c-1",
    name=CommandName.PAUSE,
    outcome=CommandOutcome.APPLIED,
    detail="no opening orders from now on",
    operator="ann",
    reason="maintenance",
    step=4,
    time=TIME,
)
STATE = GridState(
    venue=SIM,
    symbol=BTC,
    instance="sqt",
    generation=1,
    settings=SETTINGS,
    instrument=INSTRUMENT,
    anchor=D("60000.1"),
    price=D("60000.1"),
    time=TIME,
    slots={
        -2: Slot(
            level=-2,
            cycle=12,
            held=D("0.0016"),
            cost=D("95.80816"),
            entry_fees=D("0.01916164"),
            order=SlotOrder(
                client_order_id=ID, side=Side.BUY, price=D("59880.1"), quantity=D("0.0016"), opens=True
            ),
        )
    },
    finished=[
        FinishedOrder(
            client_order_id=ID,
            reported_quantity=D("0.0016"),
            traded_quantity=D("0.0016"),
            trade_ids=[TradeId("9001")],
        )
    ],
    accounts=Accounts(cash=D("-95.80816"), position=D("0.0016")),
)
CANDLE = Candle(
    venue=SIM,
    symbol=BTC,
    interval="1m",
    open_time=TIME,
    open=D(60000),
    high=D(60010),
    low=D(59990),
    close=D(60001),
    volume=D("12.5"),
    closed=True,
    time=TIME,
)
BALANCE = Balance(
    venue=SIM,
    asset="USDT",
    total=D(10000),
    free=D(9000),
    margin_balance=D(10001),
    unrealized_pnl=D(1),
    time=TIME,
)
POSITION = Position(
    venue=SIM,
    symbol=BTC,
    quantity=D("-0.0016"),
    entry_price=D(60000),
    mark_price=D(60001),
    unrealized_pnl=D("-0.0016"),
    leverage=D(5),
    time=TIME,
)
OPEN_ORDERS = OpenOrders(
    venue=SIM,
    symbol=BTC,
    orders=(
        OpenOrder(
            client_order_id=ID,
            venue_order_id="77",
            side=Side.BUY,
            price=D("59880.1"),
            quantity=D("0.0016"),
            cumulative_quantity=D(0),
            status=OrderStatus.NEW,
        ),
    ),
    includes=120,
    trades_through=TradeId("9001"),
    time=TIME,
)
STEP = Step(
    venue=SIM,
    symbol=BTC,
    step=3,
    epoch=2,
    offsets={"ORDERS": StreamOffset(created="2026-01-01T00:00:00Z", sequence=120)},
    causes=(TICKER, TRADE),
    state=STATE,
    decisions=(PLACE, CANCEL),
    fills=(FILL,),
    notices=(RESULT,),
    published_through=40,
    time=TIME,
)
VIEW = GridView(
    venue=SIM,
    symbol=BTC,
    step=3,
    mode=GridMode.NEUTRAL,
    anchor_price=D("60000.1"),
    price_interval=D(60),
    center=0,
    price=D("60000.1"),
    slots=(
        SlotView(
            slot_id=-2,
            price=D("59880.1"),
            side=Side.BUY,
            status=SlotStatus.OPEN,
            held=D(0),
            client_order_id=ID,
            order_price=D("59880.1"),
        ),
    ),
    paused=False,
    not_quoting=NotQuoting.PAUSED,
    position=D("0.0016"),
    cash=D("-95.80816"),
    fees=D("0.01916164"),
    funding=D(0),
    grid_profit=D(0),
    unpaired_profit=D("0.192"),
    total_profit=D("0.17283836"),
    buy_and_hold=D(0),
    closed_trades=0,
    opened_trades=1,
    volume=D("95.80816"),
    first_time=TIME,
    time=TIME,
)
ENTRY = SymbolEntry(venue=SIM, symbol=BTC, instance="sqt", generation=1, settings=SETTINGS)
LIMITS = PortfolioLimits(
    venue=SIM,
    is_opening_allowed=False,
    breaker=BreakerState.CLOSED,
    reason="exposure 1000.16 of 1000",
    max_exposure=D(1000),
    exposure=D("1000.16"),
    symbols=(SymbolExposure(symbol=BTC, position=D("-0.0167"), price=D(59890), notional=D("1000.16")),),
    step=3,
    time=TIME,
)
