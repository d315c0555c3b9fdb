"""Each input to whom it concerns: what it changes is in the draft, and whether it was a cause is the answer."""

from typing import assert_never

from engine.core.arithmetic import check_finite
from engine.core.commands.commands import on_command
from engine.core.commands.exit import on_engine
from engine.core.commands.reconcile import on_sweep
from engine.core.guards.market_risk import on_candle
from engine.core.guards.portfolio_limits import on_limits
from engine.core.guards.stale_feed import on_feed_changed
from engine.core.orders.accounting import on_funding
from engine.core.orders.execution import on_cancel_rejected, on_late_trade, on_report, on_trade
from engine.core.quoting import volatility
from engine.core.startup import startup
from engine.core.step import Draft
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    Input,
    LateTrade,
    SymbolAdded,
    TimePassed,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.subjects import ALL
from schemas.units import TimeNs
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import Candle, ClockRead, FeedChanged, Ticker
from schemas.venue.orders import CancelRejected, Funding, OrderReport, OrderStatus, Trade


def hear(draft: Draft, event: Input) -> bool:
    """Apply one input, at its time, and tell whether it changed or said anything."""
    before = draft.time
    draft.time = max(before, _market_time(event))
    if _apply(draft, event):
        return True
    draft.time = before
    return False


def _apply(draft: Draft, event: Input) -> bool:
    matters = False
    match event:
        case OrderReport() | Trade() | LateTrade() | CancelRejected() | Funding():
            matters = _of_orders(draft, event)
        case OpenOrders() | Position() | Balance():
            matters = _of_account(draft, event)
        case Candle() | FeedChanged():
            matters = _of_market(draft, event)
        case CommandReceived():
            matters = on_command(draft, event)
        case PortfolioLimits():
            matters = on_limits(draft, event)
        case SymbolAdded() | Ticker() | TimePassed():
            pass  # taken for the step as a whole
        case EngineStarted() | EngineStopping():
            matters = on_engine(draft, event)
        case ClockRead():
            pass
        case _:
            assert_never(event)
    return matters


def _of_orders(draft: Draft, event: OrderReport | Trade | LateTrade | CancelRejected | Funding) -> bool:
    match event:
        case OrderReport():
            return on_report(draft, event)
        case Trade():
            check_finite(event.price, event.quantity, event.fee)
            return on_trade(draft, event)
        case LateTrade():
            check_finite(event.trade.price, event.trade.quantity, event.trade.fee)
            return on_late_trade(draft, event)
        case CancelRejected():
            return on_cancel_rejected(draft, event)
        case Funding():
            check_finite(event.amount)
            return on_funding(draft, event)
        case _:
            assert_never(event)


def _of_account(draft: Draft, event: OpenOrders | Position | Balance) -> bool:
    match event:
        case Position() if draft.state.startup is not None:
            return startup.on_position(draft, event)
        case OpenOrders() | Position():
            return on_sweep(draft, event)
        case Balance():
            return startup.on_balance(draft, event)
        case _:
            assert_never(event)


def _of_market(draft: Draft, event: Candle | FeedChanged) -> bool:
    match event:
        case Candle():
            is_watched = on_candle(draft, event)
            return volatility.on_candle(draft, event) or is_watched
        case FeedChanged() if event.symbol == ALL:
            return startup.on_account_feed(draft, event)
        case FeedChanged():
            return on_feed_changed(draft, event)
        case _:
            assert_never(event)


def _market_time(event: Input) -> TimeNs:
    # The gateway's own word on an order, and all that people do, may carry another clock's time than the market's.
    match event:
        case Trade():
            return event.time
        case LateTrade():
            return event.trade.time
        case OrderReport() if event.status is not OrderStatus.NOT_PLACED:
            return event.time
        case _:
            return 0
