"""Render the market, the account and the grid as messages: pure functions, each returning the `data` of one message."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from liveserver.protocol.server_messages import (
    AccountData,
    CandleData,
    Data,
    GridData,
    Message,
    MessageType,
    OrderData,
    PositionData,
    ReportData,
    ShownProfit,
    SlotData,
    TickerData,
    TradeData,
)
from liveserver.view.open_orders import Order, order_key
from liveserver.view.own_trades import OwnTrade
from schemas.grid.profit import ProfitParts, profit_parts, rounded
from schemas.grid.view import GridView, SlotView
from schemas.reasons.table import explain
from schemas.units import MILLISECOND_NS, SECOND_NS, Money, Price, Quantity, Side, TimeNs
from schemas.venue.account import Balance, Position
from schemas.venue.fees import fee_in_quote
from schemas.venue.market import Candle, Ticker
from schemas.venue.orders import OrderReport, OrderStatus
from schemas.venue.worth import AccountWorth


class MarketLabel(NamedTuple):
    """The fields that identify the market of a message."""

    symbol: str
    """The name used by the page: `BTCUSDT`."""
    venue: str
    market: str
    """The ccxt symbol."""


class LazyMessage(msgspec.Struct, frozen=True):
    """A message that is rendered only for viewers that receive it: most messages have no subscriber."""

    type: MessageType
    render: Callable[..., Data]
    arguments: tuple[Any, ...]

    def message(self) -> Message:
        """Render the message, on each call."""
        return Message(self.type, self.render(*self.arguments))


def decimal_text(value: Decimal) -> str:
    """Return the digits of a decimal, without an exponent."""
    return format(value, "f")


def decimal_text_or_none(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def decimal_texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: decimal_text(amount) for name, amount in amounts.items()}


def to_seconds(time: TimeNs) -> int:
    return time // SECOND_NS


def side_text(side: Side | None) -> str | None:
    """Return a side in capitals, as order messages write it: `BUY`."""
    return None if side is None else side.value.upper()


def account(label: MarketLabel, balance: Balance, worth: AccountWorth) -> AccountData:
    return AccountData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        asset=balance.asset,
        free=decimal_text(balance.free),
        balance=decimal_text(balance.total),
        margin_balance=decimal_text(balance.margin_balance),
        equity=decimal_text(balance.margin_balance),
        unrealized_pnl=decimal_text(balance.unrealized_pnl),
        time=to_seconds(balance.time),
        total_equity=decimal_text_or_none(worth.total),
        equity_asset=worth.currency,
        unpriced=worth.unpriced,
    )


def candle(event: Candle) -> CandleData:
    return CandleData(
        time=to_seconds(event.open_time),
        open=decimal_text(event.open),
        high=decimal_text(event.high),
        low=decimal_text(event.low),
        close=decimal_text(event.close),
        volume=decimal_text(event.volume),
        forming=not event.closed,
    )


def order(label: MarketLabel, order: Order) -> OrderData:
    return OrderData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        id=order.id,
        price=decimal_text_or_none(order.price) or "0",
        side=side_text(order.side) or "",
        status=_status_text(order.status, order.filled),
        quantity=decimal_text_or_none(order.quantity) or "0",
        filled=decimal_text(order.filled),
        reduce_only=order.reduce_only,
        time=to_seconds(order.time),
        detail=order.detail,
    )


def report(label: MarketLabel, event: OrderReport) -> ReportData:
    """Render an order report by itself, without earlier knowledge of the order."""
    filled = event.cumulative_quantity
    return ReportData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        id=order_key(event.client_order_id, event.venue_order_id),
        price=decimal_text_or_none(event.price),
        side=side_text(event.side),
        status=_status_text(event.status, filled),
        quantity=decimal_text_or_none(event.quantity),
        filled=decimal_text(filled),
        time=to_seconds(event.time),
        detail=event.detail,
    )


def trade(label: MarketLabel, own: OwnTrade) -> TradeData:
    trade, booked = own.trade, own.booked
    return TradeData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        side=trade.side.value,
        price=decimal_text(trade.price),
        amount=decimal_text(trade.quantity),
        time=to_seconds(trade.time),
        time_ms=trade.time // MILLISECOND_NS,
        trade_id=trade.trade_id,
        order_id=trade.client_order_id,
        fee=decimal_text(trade.fee),
        fee_asset=trade.fee_asset,
        is_maker=trade.is_maker,
        opens=booked.opens if booked else None,
        level=booked.level if booked else None,
        grid_profit=decimal_text(booked.grid_profit) if booked else None,
        fee_value=decimal_text_or_none(fee_in_quote(booked or trade)),
        is_fee_estimated=booked.is_fee_estimated if booked else None,
    )


def position(label: MarketLabel, position: Position, entry: Price | None) -> PositionData:
    """Render a position with its entry price, None if that is unknown or the position is flat."""
    unrealized: Money | None = position.unrealized_pnl
    if position.quantity and not position.entry_price:
        unrealized = None if entry is None else position.quantity * (position.mark_price - entry) + 0
    return PositionData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        amount=decimal_text(position.quantity),
        entry_price=decimal_text_or_none(entry),
        unrealized_pnl=decimal_text_or_none(unrealized),
        leverage=decimal_text(position.leverage),
        side="LONG" if position.quantity > 0 else "SHORT" if position.quantity < 0 else "FLAT",
        mark_price=decimal_text(position.mark_price),
        liquidation_price=decimal_text_or_none(position.liquidation_price),
        time=to_seconds(position.time),
    )


def grid(label: MarketLabel, view: GridView) -> GridData:
    reason = view.not_quoting
    text, remedy = ("", "")
    if reason is not None:
        is_halted_by = view.not_quoting_detail == view.opens_halted_by
        detail = "" if is_halted_by else view.not_quoting_detail  # viewers get `halted_by` of its own
        text, remedy = explain(reason, detail, venue=view.venue, symbol=view.symbol)
    return GridData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        anchor_price=decimal_text_or_none(view.anchor_price),
        price_interval=decimal_text_or_none(view.price_interval),
        slots=tuple(_slot(slot) for slot in view.slots),
        step=view.step,
        mode=view.mode,
        center=view.center,
        price=decimal_text_or_none(view.price),
        paused=view.paused,
        not_quoting=view.not_quoting,
        position=decimal_text(view.position),
        cash=decimal_text(view.cash),
        fees=decimal_text(view.fees),
        funding=decimal_text(view.funding),
        grid_profit=decimal_text(view.grid_profit),
        unpaired_profit=decimal_text(view.unpaired_profit),
        total_profit=decimal_text(view.total_profit),
        buy_and_hold=decimal_text(view.buy_and_hold),
        closed_trades=view.closed_trades,
        opened_trades=view.opened_trades,
        volume=decimal_text(view.volume),
        first_time=to_seconds(view.first_time),
        time=to_seconds(view.time),
        fees_other=decimal_texts(view.fees_other),
        venue_position=decimal_text_or_none(view.venue_position),
        foreign_position=decimal_text(view.foreign_position),
        not_quoting_text=text,
        not_quoting_remedy=remedy,
        halted_by=view.opens_halted_by,
        entry_price=decimal_text_or_none(view.entry_price),
        closed_pairs=closed_pairs(view),
        dust=decimal_text(view.dust),
        ledger_from=ledger_from(view),
        shown=shown_profit(profit_parts(view)),
    )


def shown_profit(parts: ProfitParts) -> ShownProfit:
    """Render profit for display: rounded parts that add up."""
    shown = rounded(parts)
    return ShownProfit(
        total=decimal_text(shown.total),
        grid_profit=decimal_text(shown.grid_profit),
        unpaired=decimal_text(shown.unpaired),
        open_fees=decimal_text(shown.open_fees),
        funding=decimal_text(shown.funding),
    )


def closed_pairs(view: GridView) -> int:
    """Return the number of round trips that ended; in views of version 1 that of the closing trades."""
    return view.closed_trades if view.closed_pairs is None else view.closed_pairs


def ledger_from(view: GridView) -> int:
    """Return the first full second from which every fill is stored, 0 if none was lost."""
    return -to_seconds(-view.ledger_from)


def ticker(label: MarketLabel, event: Ticker, wall_ns: Callable[[], TimeNs]) -> TickerData:
    """Render a ticker, with its age by the clock `wall_ns`; a clock behind the publisher's makes it 0."""
    return TickerData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        bid=decimal_text(event.bid),
        ask=decimal_text(event.ask),
        last=decimal_text(event.last),
        time=to_seconds(event.time),
        time_ms=event.time // MILLISECOND_NS,
        age_ms=max(wall_ns() - event.received_time, 0) // MILLISECOND_NS,
    )


def _slot(slot: SlotView) -> SlotData:
    return SlotData(
        slot_id=slot.slot_id,
        price=decimal_text(slot.price),
        side=side_text(slot.side),
        status=slot.status,
        held=decimal_text(slot.held),
        order_id=slot.client_order_id,
        order_price=decimal_text_or_none(slot.order_price),
    )


def _status_text(status: OrderStatus, filled: Quantity) -> str:
    """Return one of the six statuses that pages know, such as `PARTIALLY_FILLED`."""
    match status:
        case OrderStatus.NOT_PLACED:
            return "REJECTED"
        case OrderStatus.NEW if filled > 0:
            return "PARTIALLY_FILLED"
        case _:
            return status.value.upper()
