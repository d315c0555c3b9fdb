"""How an event is put to a browser: each function returns the `data` of one message, and nothing is kept."""

from typing import NamedTuple

from liveserver.protocol.server_messages import (
    AccountData,
    ActiveRisk,
    CandleData,
    ControlData,
    GridData,
    OrderData,
    PositionData,
    ReconciliationData,
    ReportData,
    RiskAlertData,
    RiskStatusData,
    SlotData,
    TickerData,
    TradeData,
    plain,
    plain_or_none,
    seconds,
    upper,
)
from liveserver.view.open_orders import Order, key_of
from liveserver.view.own_trades import OwnTrade
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, Reconciled, RiskChanged
from schemas.grid.view import GridView, SlotView
from schemas.units import MILLISECOND_NS, Quantity
from schemas.venue.account import Balance, Position
from schemas.venue.market import Candle, Ticker
from schemas.venue.orders import OrderReport, OrderStatus


class Who(NamedTuple):
    """The market a message is of."""

    symbol: str
    venue: str
    market: str


def account(who: Who, balance: Balance) -> AccountData:
    return AccountData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        asset=balance.asset,
        free=plain(balance.free),
        balance=plain(balance.total),
        margin_balance=plain(balance.margin_balance),
        equity=plain(balance.margin_balance),
        unrealized_pnl=plain(balance.unrealized_pnl),
        time=seconds(balance.time),
    )


def candle(event: Candle) -> CandleData:
    return CandleData(
        time=seconds(event.open_time),
        open=plain(event.open),
        high=plain(event.high),
        low=plain(event.low),
        close=plain(event.close),
        volume=plain(event.volume),
        forming=not event.closed,
    )


def order(who: Who, order: Order) -> OrderData:
    return OrderData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        id=order.id,
        price=plain_or_none(order.price) or "0",
        side=upper(order.side) or "",
        status=_status_word(order.status, order.filled),
        quantity=plain_or_none(order.quantity) or "0",
        filled=plain(order.filled),
        reduce_only=order.reduce_only,
        time=seconds(order.time),
        detail=order.detail,
    )


def report(who: Who, event: OrderReport) -> ReportData:
    """Return what the venue said, and nothing that was known before."""
    filled = event.cumulative_quantity
    return ReportData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        id=key_of(event.client_order_id, event.venue_order_id),
        price=plain_or_none(event.price),
        side=upper(event.side),
        status=_status_word(event.status, filled),
        quantity=plain_or_none(event.quantity),
        filled=plain(filled),
        time=seconds(event.time),
        detail=event.detail,
    )


def trade(who: Who, own: OwnTrade) -> TradeData:
    told, booked = own.trade, own.booked
    return TradeData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        side=told.side.value,
        price=plain(told.price),
        amount=plain(told.quantity),
        time=seconds(told.time),
        time_ms=told.time // MILLISECOND_NS,
        trade_id=told.trade_id,
        order_id=told.client_order_id,
        fee=plain(told.fee),
        fee_asset=told.fee_asset,
        is_maker=told.is_maker,
        opens=booked.opens if booked else None,
        level=booked.level if booked else None,
        grid_profit=plain(booked.grid_profit) if booked else None,
    )


def position(who: Who, position: Position) -> PositionData:
    return PositionData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        amount=plain(position.quantity),
        entry_price=plain(position.entry_price),
        unrealized_pnl=plain(position.unrealized_pnl),
        leverage=plain(position.leverage),
        side="LONG" if position.quantity > 0 else "SHORT" if position.quantity < 0 else "FLAT",
        mark_price=plain(position.mark_price),
        liquidation_price=plain_or_none(position.liquidation_price),
        time=seconds(position.time),
    )


def grid(who: Who, view: GridView) -> GridData:
    return GridData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        anchor_price=plain_or_none(view.anchor_price),
        price_interval=plain_or_none(view.price_interval),
        slots=tuple(_slot(slot) for slot in view.slots),
        step=view.step,
        mode=view.mode,
        center=view.center,
        price=plain_or_none(view.price),
        paused=view.paused,
        not_quoting=view.not_quoting,
        position=plain(view.position),
        cash=plain(view.cash),
        fees=plain(view.fees),
        funding=plain(view.funding),
        grid_profit=plain(view.grid_profit),
        unpaired_profit=plain(view.unpaired_profit),
        total_profit=plain(view.total_profit),
        buy_and_hold=plain(view.buy_and_hold),
        closed_trades=view.closed_trades,
        opened_trades=view.opened_trades,
        volume=plain(view.volume),
        first_time=seconds(view.first_time),
        time=seconds(view.time),
    )


def alert(who: Who, event: RiskChanged | AlertRaised) -> RiskAlertData:
    if isinstance(event, RiskChanged):
        reason, details, active = event.reason, event.details, event.active
    else:
        reason, details, active = event.code, event.detail, True
    return RiskAlertData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        severity=event.severity,
        reason=reason,
        details=details,
        active=active,
        time=seconds(event.time),
        step=event.step,
    )


def risk_status(who: Who, active: list[RiskChanged]) -> RiskStatusData:
    return RiskStatusData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        status="active" if active else "normal",
        active=tuple(
            ActiveRisk(
                severity=risk.severity, reason=risk.reason, details=risk.details, time=seconds(risk.time)
            )
            for risk in active
        ),
    )


def reconciliation(who: Who, event: Reconciled) -> ReconciliationData:
    return ReconciliationData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        finding=event.finding,
        order_id=event.client_order_id,
        action=event.action,
        time=seconds(event.time),
        step=event.step,
    )


def control(who: Who, event: CommandResult) -> ControlData:
    return ControlData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        command=event.name,
        command_id=event.command_id,
        outcome=event.outcome,
        detail=event.detail,
        operator=event.operator,
        reason=event.reason,
        time=seconds(event.time),
        step=event.step,
    )


def ticker(who: Who, event: Ticker) -> TickerData:
    return TickerData(
        symbol=who.symbol,
        venue=who.venue,
        market=who.market,
        bid=plain(event.bid),
        ask=plain(event.ask),
        last=plain(event.last),
        time=seconds(event.time),
        time_ms=event.time // MILLISECOND_NS,
    )


def _slot(slot: SlotView) -> SlotData:
    return SlotData(
        slot_id=slot.slot_id,
        price=plain(slot.price),
        side=upper(slot.side),
        status=slot.status,
        held=plain(slot.held),
        order_id=slot.client_order_id,
        order_price=plain_or_none(slot.order_price),
    )


def _status_word(status: OrderStatus, filled: Quantity) -> str:
    """Return one of the six words that browsers know."""
    match status:
        case OrderStatus.NOT_PLACED:
            return "REJECTED"
        case OrderStatus.NEW if filled > 0:
            return "PARTIALLY_FILLED"
        case _:
            return status.value.upper()
