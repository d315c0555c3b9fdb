"""Example events with default fields, for tests that depend on a single field."""

from decimal import Decimal

from msgspec.structs import replace

from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    ReconciliationFinding,
    RiskChanged,
    Severity,
)
from schemas.grid.settings import GridMode
from schemas.grid.view import GridView, NotQuoting, SlotStatus, SlotView
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol, TradeId
from schemas.venue.account import Balance, OpenOrder, OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import OrderReport, OrderStatus, Trade
from tests import builders
from tests.builders import BTC, SIM

SPOT = Symbol("BTC/USDT")
ETH = Symbol("ETH/USDT:USDT")
START_S = 1_700_000_040
"""A full minute."""


def at(second: float) -> int:
    """Return the nanoseconds of a second after the start."""
    return int((START_S + second) * SECOND_NS)


def candle(
    minute: int,
    close: str = "100",
    *,
    closed: bool = True,
    symbol: Symbol = BTC,
    interval: str = "1m",
    time: float | None = None,
) -> Candle:
    price = Decimal(close)
    return Candle(
        venue=SIM,
        symbol=symbol,
        interval=interval,
        open_time=at(60 * minute),
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal("1.5"),
        closed=closed,
        time=at(60 * minute + 59 if time is None else time),
    )


def ticker(last: str = "100", *, symbol: Symbol = BTC, second: float = 0) -> Ticker:
    price = Decimal(last)
    return Ticker(venue=SIM, symbol=symbol, bid=price - 1, ask=price + 1, last=price, time=at(second))


def feed(state: FeedState, reason: str = "", *, symbol: Symbol = BTC) -> FeedChanged:
    return FeedChanged(venue=SIM, symbol=symbol, state=state, reason=reason, time=at(0))


def report(
    order_id: str,
    status: OrderStatus = OrderStatus.NEW,
    filled: str = "0",
    *,
    price: str | None = "99",
    side: Side | None = Side.BUY,
    symbol: Symbol = BTC,
) -> OrderReport:
    return OrderReport(
        venue=SIM,
        symbol=symbol,
        client_order_id=ClientOrderId(order_id),
        status=status,
        cumulative_quantity=Decimal(filled),
        time=at(0),
        side=side,
        price=None if price is None else Decimal(price),
        quantity=None if price is None else Decimal(1),
    )


def open_order(order_id: str, filled: str = "0", *, price: str = "99") -> OpenOrder:
    return OpenOrder(
        client_order_id=ClientOrderId(order_id),
        venue_order_id=f"v-{order_id}",
        side=Side.BUY,
        price=Decimal(price),
        quantity=Decimal(1),
        cumulative_quantity=Decimal(filled),
        status=OrderStatus.NEW,
    )


def sweep(*orders: OpenOrder, includes: int, symbol: Symbol = BTC) -> OpenOrders:
    return OpenOrders(venue=SIM, symbol=symbol, orders=orders, includes=includes, time=at(0))


def trade(
    trade_id: str, order_id: str = "a", quantity: str = "1", *, second: float = 0, symbol: Symbol = BTC
) -> Trade:
    return Trade(
        venue=SIM,
        symbol=symbol,
        trade_id=TradeId(trade_id),
        client_order_id=ClientOrderId(order_id),
        side=Side.BUY,
        price=Decimal("99.5"),
        quantity=Decimal(quantity),
        fee=Decimal("0.01"),
        fee_asset="USDT",
        is_maker=True,
        time=at(second),
    )


def fill(
    trade_id: str, order_id: str = "a", quantity: str = "1", *, second: float = 0, profit: str = "0"
) -> Fill:
    return Fill(
        venue=SIM,
        symbol=BTC,
        trade_id=TradeId(trade_id),
        client_order_id=ClientOrderId(order_id),
        level=-1,
        side=Side.BUY,
        price=Decimal("99.5"),
        quantity=Decimal(quantity),
        fee=Decimal("0.01"),
        fee_asset="USDT",
        opens=profit == "0",
        grid_profit=Decimal(profit),
        position=Decimal(1),
        is_maker=True,
        step=7,
        time=at(second),
    )


def position(quantity: str, *, symbol: Symbol = BTC) -> Position:
    return Position(
        venue=SIM,
        symbol=symbol,
        quantity=Decimal(quantity),
        entry_price=Decimal(98),
        mark_price=Decimal(100),
        unrealized_pnl=Decimal(2) * Decimal(quantity),
        leverage=Decimal(3),
        time=at(0),
    )


def balance(asset: str = "USDT", total: str = "1000") -> Balance:
    money = Decimal(total)
    return Balance(
        venue=SIM,
        asset=asset,
        total=money,
        free=money - 100,
        margin_balance=money + 2,
        unrealized_pnl=Decimal(2),
        time=at(0),
    )


def grid(
    *,
    price: str = "100",
    position: str = "1",
    step: int = 1,
    not_quoting: NotQuoting | None = None,
    symbol: Symbol = BTC,
) -> GridView:
    mark, held, cash, fees = Decimal(price), Decimal(position), Decimal(-98), Decimal("0.1")
    return GridView(
        venue=SIM,
        symbol=symbol,
        step=step,
        mode=GridMode.LONG,
        anchor_price=Decimal(100),
        price_interval=Decimal("0.5"),
        center=0,
        price=mark,
        slots=(
            SlotView(
                slot_id=-1, price=Decimal("99.5"), side=Side.BUY, status=SlotStatus.OPEN, held=Decimal(0)
            ),
            SlotView(slot_id=-2, price=Decimal(99), side=None, status=SlotStatus.EMPTY, held=Decimal(0)),
        ),
        paused=not_quoting is NotQuoting.PAUSED,
        not_quoting=not_quoting,
        position=held,
        cash=cash,
        fees=fees,
        funding=Decimal(0),
        grid_profit=Decimal("0.5"),
        unpaired_profit=held * mark + cash,
        total_profit=held * mark + cash - fees,
        buy_and_hold=Decimal(1),
        closed_trades=1,
        opened_trades=2,
        volume=Decimal(300),
        first_time=at(0),
        time=at(0),
    )


def risk(reason: str, *, active: bool = True, second: float = 0, symbol: Symbol = BTC) -> RiskChanged:
    return RiskChanged(
        venue=SIM,
        symbol=symbol,
        severity=Severity.HIGH,
        reason=reason,
        details="volume 4.1 times the mean",
        active=active,
        step=3,
        time=at(second),
        figures={"volume_ratio": "4.1"},
    )


def quoting(
    reason: NotQuoting | None, *, previous: NotQuoting | None = None, second: float = 0
) -> QuotingChanged:
    return QuotingChanged(
        venue=SIM, symbol=BTC, previous=previous, reason=reason, detail="", step=4, time=at(second)
    )


def alert(code: str, *, second: float = 0) -> AlertRaised:
    return AlertRaised(
        venue=SIM,
        symbol=BTC,
        severity=Severity.CRITICAL,
        code=code,
        detail="check it",
        step=4,
        time=at(second),
    )


def reconciled(order_id: str, *, second: float = 0) -> Reconciled:
    return Reconciled(
        venue=SIM,
        symbol=BTC,
        finding=ReconciliationFinding.MISSING_THERE,
        client_order_id=ClientOrderId(order_id),
        action="asked the venue",
        step=5,
        time=at(second),
    )


def corrected(quantity: str, *, second: float = 0) -> PositionCorrected:
    return replace(builders.CORRECTION, quantity=Decimal(quantity), time=at(second))


def result(command_id: str, *, second: float = 0) -> CommandResult:
    return CommandResult(
        venue=SIM,
        symbol=BTC,
        command_id=command_id,
        name=CommandName.PAUSE,
        outcome=CommandOutcome.APPLIED,
        detail="2 orders to cancel",
        operator="ada",
        reason="lunch",
        step=6,
        time=at(second),
    )
