"""Dispatch inputs to their handlers. An input whose handler touches the draft is a cause of the step."""

from typing import assert_never

from engine.core.arithmetic import check_finite
from engine.core.commands import pending
from engine.core.commands.commands import on_command
from engine.core.commands.halt import on_engine_lifecycle
from engine.core.commands.reconcile import on_sweep
from engine.core.guards import margin_lock
from engine.core.guards.market_risk import on_candle
from engine.core.guards.portfolio_limits import on_limits
from engine.core.guards.stale_feed import on_feed_changed
from engine.core.instrument import on_instrument
from engine.core.orders import ledger, resync
from engine.core.orders.accounting import on_funding
from engine.core.orders.booked_trades import advance_mark
from engine.core.orders.execution import on_cancel_rejected, on_report, on_trade
from engine.core.quoting import volatility
from engine.core.startup import startup
from engine.core.step import Draft
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    Input,
    LateTrade,
    LedgerGap,
    OtherGrids,
    ResyncRequired,
    SymbolAdded,
    TimePassed,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.subjects import ALL
from schemas.units import TimeNs
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, Ticker
from schemas.venue.orders import CancelRejected, Funding, OrderReport, OrderStatus, Trade


def apply(draft: Draft, event: Input) -> None:
    """Apply one input at its market time, and record it as a cause if it changed the draft."""
    time, touches = draft.time, draft.touches
    draft.time = max(time, _market_time(event))
    _handle(draft, event)
    if draft.touches == touches:
        draft.time = time
    else:
        draft.causes.append(event)


def _handle(draft: Draft, event: Input) -> None:
    match event:
        case OrderReport() | Trade() | LateTrade() | CancelRejected() | Funding():
            _handle_orders(draft, event.trade if isinstance(event, LateTrade) else event)
        case OpenOrders() | Position() | Balance() | OtherGrids():
            _handle_account(draft, event)
        case Candle() | FeedChanged() | Instrument():
            _handle_market(draft, event)
        case CommandReceived():
            on_command(draft, event)
        case PortfolioLimits():
            on_limits(draft, event)
        case EngineStarted() | EngineStopping():
            on_engine_lifecycle(draft, event)
        case SymbolAdded() | Ticker() | TimePassed():
            pass  # Grid.process takes them into the draft before any input is dispatched
        case ResyncRequired() | LedgerGap():
            _handle_loss(draft, event)
        case ClockRead():
            pass
        case _:
            assert_never(event)


def _handle_orders(draft: Draft, event: OrderReport | Trade | CancelRejected | Funding) -> None:
    match event:
        case OrderReport():
            on_report(draft, event)
        case Trade():
            check_finite(event.price, event.quantity, event.fee)
            on_trade(draft, event)
        case CancelRejected():
            on_cancel_rejected(draft, event)
        case Funding():
            check_finite(event.amount)
            on_funding(draft, event)
        case _:
            assert_never(event)


def _handle_account(draft: Draft, event: OpenOrders | Position | Balance | OtherGrids) -> None:
    match event:
        case Position() if draft.state.startup is not None:
            startup.on_position(draft, event)
        case OpenOrders():
            pending.on_sweep(draft, event.time)
            resync.on_sweep(draft, event)
            on_sweep(draft, event)
            advance_mark(draft, event)
        case Position():
            on_sweep(draft, event)
        case OtherGrids():
            startup.on_other_grids(draft, event)
        case Balance():
            startup.on_balance(draft, event)
            margin_lock.on_balance(draft, event)
        case _:
            assert_never(event)


def _handle_market(draft: Draft, event: Candle | FeedChanged | Instrument) -> None:
    match event:
        case Candle():
            on_candle(draft, event)
            volatility.on_candle(draft, event)
        case FeedChanged() if event.symbol == ALL:
            startup.on_account_feed(draft, event)
        case FeedChanged():
            on_feed_changed(draft, event)
        case Instrument():
            on_instrument(draft, event)
        case _:
            assert_never(event)


def _handle_loss(draft: Draft, event: ResyncRequired | LedgerGap) -> None:
    if isinstance(event, ResyncRequired):
        resync.on_required(draft, event)
    else:
        ledger.on_gap(draft, event)


def _market_time(event: Input) -> TimeNs:
    # Reports made by the gateway (NOT_PLACED) and operator commands carry the time of another clock.
    match event:
        case Trade():
            return event.time
        case LateTrade():
            return event.trade.time
        case OrderReport() if event.status is not OrderStatus.NOT_PLACED:
            return event.time
        case _:
            return 0
