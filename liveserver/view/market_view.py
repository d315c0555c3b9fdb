"""The view of one market: the folds of its events, and the messages rendered from them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import assert_never

import msgspec

from liveserver.protocol.server_messages import (
    CandleData,
    ControlData,
    CorrectionData,
    Data,
    Message,
    MessageType,
    OrderData,
    QuotingData,
    ReconciliationData,
    RiskAlertData,
    StatusData,
    SymbolData,
    TradeData,
)
from liveserver.protocol.symbol_names import Market
from liveserver.view import rendering
from liveserver.view.candles import CandleSeries
from liveserver.view.open_orders import OpenOrderFold, Order
from liveserver.view.own_trades import DedupWindow, Key, OwnTradeFold
from liveserver.view.rendering import LazyMessage, MarketLabel, decimal_text, decimal_text_or_none
from schemas.engine.control import CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.grid.view import GridView
from schemas.units import SECOND_NS, DurationNs, Price
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade

MAX_NOTICES = 50
"""Notices kept of each kind: alerts, reconciliations, corrections, command results."""
MAX_QUOTING_CHANGES = 500
"""Changes of the reason for not quoting that are kept; the newest `MAX_NOTICES` are part of a snapshot."""
MAX_INCIDENTS = 500
"""Incidents remembered, so that one that several parts raise is shown once."""

DEFAULT_INTERVAL = "1m"
INTERVAL_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000}

MarketEvent = (
    Ticker
    | Candle
    | FeedChanged
    | OrderReport
    | Trade
    | OpenOrders
    | Position
    | GridView
    | Fill
    | RiskChanged
    | AlertRaised
    | QuotingChanged
    | Reconciled
    | PositionCorrected
    | CommandResult
)
"""The events folded into a market's view."""

Notice = RiskAlertData | QuotingData | ReconciliationData | CorrectionData | ControlData


class MarketUpdate(msgspec.Struct, frozen=True):
    """A message to publish, to the viewers of one interval or of the whole market ("")."""

    payload: Message | LazyMessage
    interval: str = ""


class MarketView:
    """Folds the events of one market. `name` is the market's name for browsers."""

    def __init__(self, market: Market, name: str) -> None:
        self.market = market
        self.label = MarketLabel(name, market.venue, market.symbol)
        self._series: dict[str, CandleSeries] = {}
        self._ticker: Ticker | None = None
        self._feed: FeedChanged | None = None
        self._orders = OpenOrderFold()
        self._trades = OwnTradeFold()
        self._position: Position | None = None
        self._grid: GridView | None = None
        self._risks: dict[str, RiskChanged] = {}
        self._alerts: DedupWindow[RiskChanged | AlertRaised] = DedupWindow(MAX_NOTICES)
        self._quoting: DedupWindow[QuotingChanged] = DedupWindow(MAX_QUOTING_CHANGES)
        self._reconciled: DedupWindow[Reconciled] = DedupWindow(MAX_NOTICES)
        self._corrections: DedupWindow[PositionCorrected] = DedupWindow(MAX_NOTICES)
        self._results: DedupWindow[CommandResult] = DedupWindow(MAX_NOTICES)
        self._incidents: deque[str] = deque(maxlen=MAX_INCIDENTS)
        self.problem = ""
        """Why the grid cannot be shown: it needs a newer live server."""

    def rename(self, name: str) -> None:
        """Change the market's name for browsers."""
        self.label = MarketLabel(name, self.market.venue, self.market.symbol)

    @property
    def name(self) -> str:
        return self.label.symbol

    @property
    def is_traded(self) -> bool:
        return self._grid is not None

    @property
    def intervals(self) -> tuple[str, ...]:
        """The intervals with candles, shortest first."""
        return tuple(sorted(self._series, key=duration)) or (DEFAULT_INTERVAL,)

    def apply(self, event: MarketEvent, sequence: int) -> list[MarketUpdate]:
        """Apply an event; return the messages for the viewers of this market."""
        match event:
            case Candle() | Ticker() | FeedChanged():
                return self._apply_market_data(event)
            case OrderReport() | Trade() | Fill() | OpenOrders():
                return self._apply_order_event(event, sequence)
            case Position():
                self._position = event
                return self._update(MessageType.POSITION, rendering.position, event)
            case GridView():
                self._grid = event
                grid = self._update(MessageType.GRID_STATE, rendering.grid, event)
                return [*self.set_problem(""), *grid] if self.problem else grid
            case (
                RiskChanged()
                | QuotingChanged()
                | AlertRaised()
                | Reconciled()
                | PositionCorrected()
                | CommandResult()
            ):
                return self._apply_notice(event)
            case _:
                assert_never(event)

    def set_problem(self, problem: str) -> list[MarketUpdate]:
        """Set or clear (empty) the reason why the grid cannot be shown; return the messages that follow."""
        self.problem = problem
        return self._status_updates()

    def account(self, balances: Iterable[Balance]) -> Iterator[Message]:
        """Yield the account messages of these balances."""
        for balance in balances:
            yield Message(MessageType.ACCOUNT, rendering.account(self.label, balance))

    def snapshot(self, interval: str, balances: Iterable[Balance]) -> list[Message]:
        """Return the full state for a new viewer, in the order that viewers rely on."""
        messages = [
            Message(MessageType.HISTORY, self.candles(interval)),
            Message(MessageType.ORDERS, self.orders()),
        ]
        if self._position:
            messages.append(Message(MessageType.POSITION, rendering.position(self.label, self._position)))
        messages += self.account(balances)
        if self._grid:
            messages.append(Message(MessageType.GRID_STATE, rendering.grid(self.label, self._grid)))
        messages.append(self._risk_status())
        messages.append(self._status(interval))
        messages.append(Message(MessageType.TRADE_HISTORY, self.trades()))
        messages += self._notices()
        if self._ticker:
            messages.append(Message(MessageType.TICKER, rendering.ticker(self.label, self._ticker)))
        return messages

    def state_messages(self, interval: str, balances: Iterable[Balance]) -> list[Message]:
        """Return the state that durable events do not carry: the state messages for a resuming viewer."""
        messages = [Message(MessageType.ORDERS, self.orders())]
        if self._position:
            messages.append(Message(MessageType.POSITION, rendering.position(self.label, self._position)))
        messages += [*self.account(balances), self._risk_status(), self._status(interval)]
        last = self.candles(interval)[-1:]
        messages += [Message(MessageType.KLINE, row) for row in last if row.forming]
        if self._ticker:
            messages.append(Message(MessageType.TICKER, rendering.ticker(self.label, self._ticker)))
        return messages

    def candles(self, interval: str) -> tuple[CandleData, ...]:
        """Return the candles of an interval, oldest first."""
        series = self._series.get(interval)
        return series.history() if series else ()

    def orders(self) -> list[OrderData]:
        """Return the open orders."""
        return [rendering.order(self.label, order) for order in self._orders.displayed()]

    def trades(self) -> list[TradeData]:
        """Return the recent own trades, oldest first."""
        return [rendering.trade(self.label, own) for own in self._trades.values()]

    def quoting_changes(self) -> list[QuotingData]:
        """Return the recent changes of the reason for not quoting, oldest first."""
        return [rendering.quoting(self.label, event) for event in self._quoting.values()]

    def summary(self) -> SymbolData:
        """Return the market's entry in the list of symbols."""
        price = self._ticker.last if self._ticker else None
        return SymbolData(
            **self.label._asdict(),
            price=decimal_text_or_none(price),
            is_traded=self.is_traded,
            total_profit=self._total_profit(),
            not_quoting=self._grid.not_quoting if self._grid else None,
            feed=self._feed.state if self._feed else "unknown",
            fees_other=rendering.decimal_texts(self._grid.fees_other) if self._grid else {},
        )

    @property
    def grid(self) -> GridView | None:
        """The newest state of the market's grid, None if it is not traded."""
        return self._grid

    @property
    def price(self) -> Price | None:
        """The newest price."""
        return self._ticker.last if self._ticker else None

    def _update(self, kind: MessageType, render: Callable[..., Data], event: object) -> list[MarketUpdate]:
        return [MarketUpdate(LazyMessage(kind, render, (self.label, event)))]

    def _order_updates(self, orders: Iterable[Order]) -> list[MarketUpdate]:
        return [
            MarketUpdate(LazyMessage(MessageType.ORDERS, rendering.order, (self.label, order)))
            for order in orders
        ]

    def _apply_market_data(self, event: Candle | Ticker | FeedChanged) -> list[MarketUpdate]:
        match event:
            case Candle():
                return self._apply_candle(event)
            case Ticker():
                self._ticker = event
                return self._update(MessageType.TICKER, rendering.ticker, event)
            case FeedChanged():
                self._feed = event
                return self._status_updates()

    def _apply_order_event(
        self, event: OrderReport | Trade | Fill | OpenOrders, sequence: int
    ) -> list[MarketUpdate]:
        match event:
            case OrderReport():
                return self._order_updates(self._orders.apply_report(event, sequence))
            case OpenOrders():
                return self._order_updates(self._orders.apply_listing(event))
            case Trade():
                return self._apply_trade(event, sequence)
            case Fill():
                return self._apply_fill(event)

    def _apply_notice(
        self,
        event: RiskChanged | QuotingChanged | AlertRaised | Reconciled | PositionCorrected | CommandResult,
    ) -> list[MarketUpdate]:
        match event:
            case RiskChanged():
                return self._apply_risk(event)
            case AlertRaised():
                return self._apply_incident(event)
            case QuotingChanged():
                return self._apply_quoting(event)
            case Reconciled():
                return self._apply_reconciliation(event)
            case PositionCorrected():
                return self._apply_correction(event)
            case CommandResult():
                return self._apply_result(event)

    def _apply_candle(self, event: Candle) -> list[MarketUpdate]:
        is_new = event.interval not in self._series
        series = self._series.setdefault(event.interval, CandleSeries())
        row = series.apply(event)
        updates = [MarketUpdate(Message(MessageType.KLINE, row), event.interval)] if row else []
        return [*self._status_updates(), *updates] if is_new else updates

    def _status_updates(self) -> list[MarketUpdate]:
        return [MarketUpdate(self._status(interval), interval) for interval in self.intervals]

    def _apply_trade(self, event: Trade, sequence: int) -> list[MarketUpdate]:
        is_first, own = self._trades.apply_trade(event)
        orders = self._order_updates(self._orders.apply_trade(event, sequence)) if is_first else []
        if own is None:
            return orders
        return [*orders, *self._update(MessageType.TRADE_EVENT, rendering.trade, own)]

    def _apply_fill(self, event: Fill) -> list[MarketUpdate]:
        was_published, own = self._trades.apply_fill(event)
        if own is None:
            return []
        kind = MessageType.FILL if was_published else MessageType.TRADE_EVENT
        return self._update(kind, rendering.trade, own)

    def _apply_risk(self, event: RiskChanged) -> list[MarketUpdate]:
        updates = self._apply_alert(event, f"{event.step} {event.reason} {event.active}")
        known = self._risks.get(event.reason)
        if known is None or known.time <= event.time:
            self._risks[event.reason] = event
        return [*updates, MarketUpdate(self._risk_status())] if updates else []

    def _apply_incident(self, event: AlertRaised) -> list[MarketUpdate]:
        if not event.incident:  # of version 1
            return self._apply_alert(event, f"{event.step} {event.code}")
        if event.message_id in self._incidents:
            return []
        self._incidents.append(event.message_id)
        return self._apply_alert(event, event.message_id)

    def _apply_alert(self, event: RiskChanged | AlertRaised, name: str) -> list[MarketUpdate]:
        key = (event.time, name)
        if not self._alerts.add(key, event):
            return []
        return self._update(MessageType.RISK_ALERT, rendering.alert, event)

    def _apply_quoting(self, event: QuotingChanged) -> list[MarketUpdate]:
        if not self._quoting.add((event.time, f"{event.step:020}"), event):
            return []
        return self._update(MessageType.QUOTING, rendering.quoting, event)

    def _apply_reconciliation(self, event: Reconciled) -> list[MarketUpdate]:
        key = (event.time, f"{event.step} {event.finding} {event.client_order_id}")
        if not self._reconciled.add(key, event):
            return []
        return self._update(MessageType.RECONCILIATION, rendering.reconciliation, event)

    def _apply_correction(self, event: PositionCorrected) -> list[MarketUpdate]:
        key = (event.time, f"{event.step} {event.position}")
        if not self._corrections.add(key, event):
            return []
        return self._update(MessageType.POSITION_CORRECTED, rendering.correction, event)

    def _apply_result(self, event: CommandResult) -> list[MarketUpdate]:
        key = (event.time, event.command_id)
        if not self._results.add(key, event):
            return []
        return self._update(MessageType.CONTROL, rendering.control, event)

    def _risk_status(self) -> Message:
        active = sorted((risk for risk in self._risks.values() if risk.active), key=lambda risk: risk.reason)
        return Message(MessageType.RISK_STATUS, rendering.risk_status(self.label, active))

    def _status(self, interval: str) -> Message:
        data = StatusData(
            **self.label._asdict(),
            feed=self._feed.state if self._feed else "unknown",
            feed_reason=self._feed.reason if self._feed else "",
            interval=interval,
            intervals=self.intervals,
            problem=self.problem,
        )
        return Message(MessageType.STATUS, data)

    def _notices(self) -> list[Message]:
        label = self.label
        notices: list[tuple[Key, MessageType, Notice]] = [
            *((k, MessageType.RISK_ALERT, rendering.alert(label, e)) for k, e in self._alerts.items()),
            *(
                (k, MessageType.QUOTING, rendering.quoting(label, e))
                for k, e in self._quoting.items()[-MAX_NOTICES:]
            ),
            *(
                (k, MessageType.RECONCILIATION, rendering.reconciliation(label, e))
                for k, e in self._reconciled.items()
            ),
            *(
                (k, MessageType.POSITION_CORRECTED, rendering.correction(label, e))
                for k, e in self._corrections.items()
            ),
            *((k, MessageType.CONTROL, rendering.control(label, e)) for k, e in self._results.items()),
        ]
        return [Message(kind, data) for _, kind, data in sorted(notices, key=lambda notice: notice[:2])]

    def _total_profit(self) -> str | None:
        """Return the total profit at the newest price, rather than at the price of the last step."""
        grid, ticker = self._grid, self._ticker
        if grid is None:
            return None
        if ticker is None:
            return decimal_text(grid.total_profit)
        return decimal_text(grid.cash + grid.position * ticker.last - grid.fees + grid.funding)


def duration(interval: str) -> DurationNs:
    """Return the length of an interval such as `5m` in nanoseconds, 0 if it is malformed."""
    number, unit = interval[:-1], interval[-1:]
    return (
        int(number) * INTERVAL_UNITS_S[unit] * SECOND_NS
        if number.isdigit() and unit in INTERVAL_UNITS_S
        else 0
    )
