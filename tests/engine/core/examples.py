"""Example grids anchored at 1000 with levels 10 apart, and inputs for them."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import count

import msgspec

from engine.core.grid import Grid
from engine.core.portfolio.step import PortfolioDraft
from engine.core.step import Change, Draft
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.engine.events import QuotingChanged, RiskChanged
from schemas.engine.journal import CommandReceived, Input, Notice, SymbolAdded, TimePassed
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.subjects import ALL
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol, TimeNs, TradeId
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import FEE_IN_RECEIVED, Instrument, InstrumentKind
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import (
    CancelOrder,
    Decision,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    QueryOrder,
    RejectReason,
    Trade,
)
from tests.builders import BTC, INSTRUMENT, SIM

D = Decimal
START: TimeNs = 1_700_000_000 * SECOND_NS

PERPETUAL = msgspec.structs.replace(
    INSTRUMENT, lot_size=D("0.001"), minimum_quantity=D("0.001"), maximum_leverage=D(1)
)
SPOT = msgspec.structs.replace(PERPETUAL, symbol=Symbol("BTC/USDT"), kind=InstrumentKind.SPOT)
BASE_FEES = msgspec.structs.replace(SPOT, fee_asset=FEE_IN_RECEIVED)
"""Spot with fees in the received currency, as at most venues."""
LONG = GridSettings(
    mode=GridMode.LONG, order_amount=D(100), price_interval=D(10), buy_window=3, sell_window=3, stale_after=0
)
NEUTRAL = msgspec.structs.replace(LONG, mode=GridMode.NEUTRAL)
GEOMETRIC = msgspec.structs.replace(LONG, price_interval=None, interval_ratio=D("0.01"))

_trade_numbers = count(1)


def added(settings: GridSettings = LONG, instrument: Instrument = PERPETUAL) -> SymbolAdded:
    return SymbolAdded(
        venue=SIM,
        symbol=instrument.symbol,
        instance="sqt",
        generation=1,
        settings=settings,
        instrument=instrument,
        time=START,
    )


def ticker(
    price: Decimal | str | int, seconds: float = 0, *, bid: Decimal | None = None, ask: Decimal | None = None
) -> Ticker:
    """Return a ticker some seconds after the start, with a spread of 0.2 by default."""
    last = D(price)
    return Ticker(
        venue=SIM,
        symbol=BTC,
        bid=last - D("0.1") if bid is None else bid,
        ask=last + D("0.1") if ask is None else ask,
        last=last,
        time=at(seconds),
    )


def at(seconds: float) -> TimeNs:
    return START + int(seconds * SECOND_NS)


def feed(state: FeedState, seconds: float) -> FeedChanged:
    return FeedChanged(venue=SIM, symbol=BTC, state=state, reason="", time=at(seconds))


def candle(symbol: Symbol, minute: int, close: int, volume: int = 10, *, closed: bool = True) -> Candle:
    """Return the one-minute candle that opens `minute` minutes after the start."""
    return Candle(
        venue=SIM,
        symbol=symbol,
        interval="1m",
        open_time=at(60 * minute),
        open=D(close),
        high=D(close),
        low=D(close),
        close=D(close),
        volume=D(volume),
        closed=closed,
        time=at(60 * minute + 59),
    )


def position(quantity: Decimal | str | int, seconds: float = 0) -> Position:
    return Position(
        venue=SIM,
        symbol=BTC,
        quantity=D(quantity),
        entry_price=D(0),
        mark_price=D(0),
        unrealized_pnl=D(0),
        leverage=D(1),
        time=at(seconds),
    )


def stream(state: FeedState = FeedState.UP) -> FeedChanged:
    """Return a state change of the account's private stream."""
    return FeedChanged(venue=SIM, symbol=Symbol(ALL), state=state, reason="", time=at(0))


def balance(amount: int = 1000, asset: str = "USDT") -> Balance:
    money = D(amount)
    return Balance(
        venue=SIM,
        asset=asset,
        total=money,
        free=money,
        margin_balance=money,
        unrealized_pnl=D(0),
        time=at(0),
    )


def silence(seconds: float) -> TimePassed:
    return TimePassed(time=at(seconds))


def report(
    order: ClientOrderId,
    status: OrderStatus,
    cumulative: Decimal | str | int = 0,
    *,
    reason: RejectReason | None = None,
    seconds: float = 0,
) -> OrderReport:
    return OrderReport(
        venue=SIM,
        symbol=BTC,
        client_order_id=order,
        status=status,
        cumulative_quantity=D(cumulative),
        reject_reason=reason,
        time=at(seconds),
    )


def trade(
    order: SlotOrder,
    quantity: Decimal | str | None = None,
    *,
    price: Decimal | int | None = None,
    fee: Decimal | str = "0.02",
    fee_asset: str = "USDT",
    name: str | None = None,
    symbol: Symbol = BTC,
) -> Trade:
    """Return a trade of an order: by default all of it, at its price."""
    return Trade(
        venue=SIM,
        symbol=symbol,
        trade_id=TradeId(name or f"t{next(_trade_numbers)}"),
        client_order_id=order.client_order_id,
        side=order.side,
        price=order.price if price is None else D(price),
        quantity=order.quantity if quantity is None else D(quantity),
        fee=D(fee),
        fee_asset=fee_asset,
        is_maker=True,
        time=max(START, order.decided_time),
    )


def command(
    name: CommandName,
    *,
    received: float = 1,
    expires: float = 30,
    changes: dict[str, str] | None = None,
    dry_run: bool = False,
    keep_position: bool = False,
    accept: str | None = None,
    reason: str = "test",
    command_id: str = "c1",
    confirmed: bool = False,
) -> CommandReceived:
    asked = Command(
        venue=SIM,
        symbol=BTC,
        command_id=command_id,
        name=name,
        operator="ann",
        reason=reason,
        time=at(0),
        expires_time=at(expires),
        changes=changes or {},
        dry_run=dry_run,
        keep_position=keep_position,
        accept=None if accept is None else D(accept),
        confirmed=confirmed,
    )
    return CommandReceived(command=asked, received_time=at(received))


def started(
    settings: GridSettings = LONG, *, instrument: Instrument = PERPETUAL, price: Decimal | str | int = 1000
) -> Grid:
    """Return a grid whose first orders are accepted."""
    grid = Grid(None, 0)
    grid.process([added(settings, instrument), ticker(price)])
    accept_all(grid)
    return grid


def accept_all(grid: Grid) -> None:
    orders = [slot.order for slot in state_of(grid).slots.values() if slot.order]
    grid.process([report(each.client_order_id, OrderStatus.NEW) for each in orders])


def draft_of(grid: Grid, price: Decimal | str | int | None = None, *, time: TimeNs = START) -> Draft:
    """Return a draft of the next step."""
    return Draft(state_of(grid), grid.step + 1, time, price=None if price is None else D(price))


def touches(function: Callable[..., None], draft: Draft | PortfolioDraft, *inputs: object) -> bool:
    """Call a function with a draft, and return whether it touched it."""
    before = draft.touches
    function(draft, *inputs)
    return draft.touches != before


def state_of(grid: Grid) -> GridState:
    assert grid.state is not None
    return grid.state


def slot(grid: Grid, level: int) -> Slot:
    return state_of(grid).slots[level]


def order(grid: Grid, level: int) -> SlotOrder:
    """Return the order of a level. There must be one."""
    found = slot(grid, level).order
    assert found is not None
    return found


def step(grid: Grid, *inputs: Input) -> Change:
    """Process inputs that must make a step."""
    change = grid.process(inputs)
    assert change is not None
    return change


def fill(grid: Grid, level: int, *, price: Decimal | int | None = None) -> Change:
    """Fill the order of a level completely."""
    return step(grid, trade(order(grid, level), price=price))


def placed(change: Change) -> list[PlaceOrder]:
    return [each for each in change.decisions if isinstance(each, PlaceOrder)]


def canceled(change: Change) -> set[ClientOrderId]:
    return {each.client_order_id for each in change.decisions if isinstance(each, CancelOrder)}


def queried(decisions: Iterable[Decision]) -> set[ClientOrderId]:
    return {each.client_order_id for each in decisions if isinstance(each, QueryOrder)}


def risks(change: Change) -> list[tuple[str, bool]]:
    """Return the guards that activated (true) or cleared."""
    return [(each.reason, each.active) for each in change.notices if isinstance(each, RiskChanged)]


def notices(change: Change) -> list[Notice]:
    """Return the notices of a step, without changes of the reason for not quoting."""
    return [each for each in change.notices if not isinstance(each, QuotingChanged)]


def quoting_changes(change: Change) -> list[tuple[NotQuoting | None, NotQuoting | None]]:
    """Return the changes of the reason for not quoting: the earlier and the new one."""
    return [(each.previous, each.reason) for each in change.notices if isinstance(each, QuotingChanged)]


def levels(orders: Iterable[PlaceOrder], side: Side) -> list[int]:
    """Return the levels of the orders of one side, in the order of the decisions."""
    return [each.level for each in orders if each.side is side]


def answers(change: Change) -> list[CommandResult]:
    """Return the answers to commands that a step has."""
    return [each for each in change.notices if isinstance(each, CommandResult)]


def answer(change: Change) -> CommandResult:
    """Return the one answer to a command that a step has."""
    (result,) = answers(change)
    return result


def end(grid: Grid, *orders: ClientOrderId) -> Change:
    """Report orders as canceled by the venue."""
    return step(grid, *(report(each, OrderStatus.CANCELED) for each in orders))


def settings_of(base: GridSettings, **changes: object) -> GridSettings:
    return msgspec.structs.replace(base, **changes)
