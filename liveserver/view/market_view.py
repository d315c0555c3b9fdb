"""What is known of one market: the folds of its events, and the messages that tell of them."""

from collections.abc import Callable, Iterable, Iterator
from typing import assert_never

import msgspec

from liveserver.protocol.server_messages import (
    CandleData,
    ControlData,
    Data,
    Message,
    MessageType,
    OrderData,
    ReconciliationData,
    RiskAlertData,
    StatusData,
    SymbolData,
    TradeData,
    plain,
    plain_or_none,
)
from liveserver.protocol.symbol_names import Market
from liveserver.view import rendering
from liveserver.view.candles import CandleSeries
from liveserver.view.dedup import Key, Recent
from liveserver.view.later import Later
from liveserver.view.open_orders import OpenOrderFold, Order
from liveserver.view.own_trades import OwnTradeFold
from liveserver.view.rendering import Who
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, Fill, Reconciled, RiskChanged
from schemas.grid.view import GridView
from schemas.units import DurationNs, Price
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade

NOTICES_KEPT = 50
"""Of each kind: alerts, reconciliations, answers to commands."""

DEFAULT_INTERVAL = "1m"
INTERVAL_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000}

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
    | Reconciled
    | CommandResult
)
"""What a market's view is folded from."""

Notice = RiskAlertData | ReconciliationData | ControlData


class Told(msgspec.Struct, frozen=True):
    """What is to be said, and the interval whose viewers alone it is for ("" for all of the market)."""

    said: Message | Later
    interval: str = ""


class MarketView:
    """Folds one market's events. `name` is what browsers call it."""

    def __init__(self, market: Market, name: str) -> None:
        self.market = market
        self.call(name)
        self._series: dict[str, CandleSeries] = {}
        self._ticker: Ticker | None = None
        self._feed: FeedChanged | None = None
        self._orders = OpenOrderFold()
        self._trades = OwnTradeFold()
        self._position: Position | None = None
        self._grid: GridView | None = None
        self._risks: dict[str, RiskChanged] = {}
        self._alerts: Recent[RiskChanged | AlertRaised] = Recent(NOTICES_KEPT)
        self._reconciled: Recent[Reconciled] = Recent(NOTICES_KEPT)
        self._results: Recent[CommandResult] = Recent(NOTICES_KEPT)

    def call(self, name: str) -> None:
        """Let browsers call it so from now on."""
        self.who = Who(name, self.market.venue, self.market.symbol)
        """What messages call it."""

    @property
    def name(self) -> str:
        return self.who.symbol

    @property
    def is_traded(self) -> bool:
        return self._grid is not None

    @property
    def intervals(self) -> tuple[str, ...]:
        """Return the intervals there are candles of, the shortest first."""
        return tuple(sorted(self._series, key=duration)) or (DEFAULT_INTERVAL,)

    def apply(self, event: MarketEvent, sequence: int) -> list[Told]:
        """Take an event and return what viewers of this market have to be told."""
        match event:
            case Candle() | Ticker() | FeedChanged():
                return self._of_the_market(event)
            case OrderReport() | Trade() | Fill() | OpenOrders():
                return self._of_orders(event, sequence)
            case Position():
                self._position = event
                return self._tell(MessageType.POSITION, rendering.position, event)
            case GridView():
                self._grid = event
                return self._tell(MessageType.GRID_STATE, rendering.grid, event)
            case RiskChanged() | AlertRaised() | Reconciled() | CommandResult():
                return self._notice(event)
            case _:
                assert_never(event)

    def account(self, balances: Iterable[Balance]) -> Iterator[Message]:
        """Yield the messages of these assets."""
        for balance in balances:
            yield Message(MessageType.ACCOUNT, rendering.account(self.who, balance))

    def snapshot(self, interval: str, balances: Iterable[Balance]) -> list[Message]:
        """Return all that a new viewer has to be told, in the order that viewers rely on."""
        messages = [
            Message(MessageType.HISTORY, self.candles(interval)),
            Message(MessageType.ORDERS, self.orders()),
        ]
        if self._position:
            messages.append(Message(MessageType.POSITION, rendering.position(self.who, self._position)))
        messages += self.account(balances)
        if self._grid:
            messages.append(Message(MessageType.GRID_STATE, rendering.grid(self.who, self._grid)))
        messages.append(self._risk_status())
        messages.append(self._status(interval))
        messages.append(Message(MessageType.TRADE_HISTORY, self.trades()))
        messages += self._notices()
        if self._ticker:
            messages.append(Message(MessageType.TICKER, rendering.ticker(self.who, self._ticker)))
        return messages

    def levels(self, interval: str, balances: Iterable[Balance]) -> list[Message]:
        """Return what only the newest counts of; with it a viewer that knows all events knows the whole."""
        messages = [Message(MessageType.ORDERS, self.orders())]
        if self._position:
            messages.append(Message(MessageType.POSITION, rendering.position(self.who, self._position)))
        messages += [*self.account(balances), self._risk_status(), self._status(interval)]
        last = self.candles(interval)[-1:]
        messages += [Message(MessageType.KLINE, row) for row in last if row.forming]
        if self._ticker:
            messages.append(Message(MessageType.TICKER, rendering.ticker(self.who, self._ticker)))
        return messages

    def candles(self, interval: str) -> tuple[CandleData, ...]:
        """Return the candles kept of an interval, oldest first."""
        series = self._series.get(interval)
        return series.history() if series else ()

    def orders(self) -> list[OrderData]:
        """Return the open orders."""
        return [rendering.order(self.who, order) for order in self._orders.shown()]

    def trades(self) -> list[TradeData]:
        """Return the own trades kept, oldest first."""
        return [rendering.trade(self.who, own) for own in self._trades.values()]

    def summary(self) -> SymbolData:
        """Return the market's entry in the list of symbols."""
        price = self._ticker.last if self._ticker else None
        return SymbolData(
            **self.who._asdict(),
            price=plain_or_none(price),
            is_traded=self.is_traded,
            total_profit=self._total_profit(),
            not_quoting=self._grid.not_quoting if self._grid else None,
            feed=self._feed.state if self._feed else "unknown",
        )

    @property
    def grid(self) -> GridView | None:
        """The grid that trades it, None when none does."""
        return self._grid

    @property
    def price(self) -> Price | None:
        """The newest price."""
        return self._ticker.last if self._ticker else None

    def _tell(self, kind: MessageType, words: Callable[..., Data], what: object) -> list[Told]:
        return [Told(Later(kind, words, (self.who, what)))]

    def _tell_orders(self, orders: Iterable[Order]) -> list[Told]:
        return [Told(Later(MessageType.ORDERS, rendering.order, (self.who, order))) for order in orders]

    def _of_the_market(self, event: Candle | Ticker | FeedChanged) -> list[Told]:
        match event:
            case Candle():
                return self._candle(event)
            case Ticker():
                self._ticker = event
                return self._tell(MessageType.TICKER, rendering.ticker, event)
            case FeedChanged():
                self._feed = event
                return self._tell_status()

    def _of_orders(self, event: OrderReport | Trade | Fill | OpenOrders, sequence: int) -> list[Told]:
        match event:
            case OrderReport():
                return self._tell_orders(self._orders.report(event, sequence))
            case OpenOrders():
                return self._tell_orders(self._orders.sweep(event))
            case Trade():
                return self._trade(event, sequence)
            case Fill():
                return self._fill(event)

    def _notice(self, event: RiskChanged | AlertRaised | Reconciled | CommandResult) -> list[Told]:
        match event:
            case RiskChanged():
                return self._risk(event)
            case AlertRaised():
                return self._alert(event, f"{event.step} {event.code}")
            case Reconciled():
                return self._reconciliation(event)
            case CommandResult():
                return self._result(event)

    def _candle(self, event: Candle) -> list[Told]:
        is_new = event.interval not in self._series
        series = self._series.setdefault(event.interval, CandleSeries())
        row = series.apply(event)
        told = [Told(Message(MessageType.KLINE, row), event.interval)] if row else []
        return [*self._tell_status(), *told] if is_new else told

    def _tell_status(self) -> list[Told]:
        return [Told(self._status(interval), interval) for interval in self.intervals]

    def _trade(self, event: Trade, sequence: int) -> list[Told]:
        is_first, own = self._trades.trade(event)
        orders = self._tell_orders(self._orders.trade(event, sequence)) if is_first else []
        if own is None:
            return orders
        return [*orders, *self._tell(MessageType.TRADE_EVENT, rendering.trade, own)]

    def _fill(self, event: Fill) -> list[Told]:
        was_told, own = self._trades.fill(event)
        if own is None:
            return []
        kind = MessageType.FILL if was_told else MessageType.TRADE_EVENT
        return self._tell(kind, rendering.trade, own)

    def _risk(self, event: RiskChanged) -> list[Told]:
        told = self._alert(event, f"{event.step} {event.reason} {event.active}")
        known = self._risks.get(event.reason)
        if known is None or known.time <= event.time:
            self._risks[event.reason] = event
        return [*told, Told(self._risk_status())] if told else []

    def _alert(self, event: RiskChanged | AlertRaised, name: str) -> list[Told]:
        key = (event.time, name)
        if key in self._alerts or not self._alerts.put(key, event):
            return []
        return self._tell(MessageType.RISK_ALERT, rendering.alert, event)

    def _reconciliation(self, event: Reconciled) -> list[Told]:
        key = (event.time, f"{event.step} {event.finding} {event.client_order_id}")
        if key in self._reconciled or not self._reconciled.put(key, event):
            return []
        return self._tell(MessageType.RECONCILIATION, rendering.reconciliation, event)

    def _result(self, event: CommandResult) -> list[Told]:
        key = (event.time, event.command_id)
        if key in self._results or not self._results.put(key, event):
            return []
        return self._tell(MessageType.CONTROL, rendering.control, event)

    def _risk_status(self) -> Message:
        active = sorted((risk for risk in self._risks.values() if risk.active), key=lambda risk: risk.reason)
        return Message(MessageType.RISK_STATUS, rendering.risk_status(self.who, active))

    def _status(self, interval: str) -> Message:
        data = StatusData(
            **self.who._asdict(),
            feed=self._feed.state if self._feed else "unknown",
            feed_reason=self._feed.reason if self._feed else "",
            interval=interval,
            intervals=self.intervals,
        )
        return Message(MessageType.STATUS, data)

    def _notices(self) -> list[Message]:
        who = self.who
        notices: list[tuple[Key, MessageType, Notice]] = [
            *((k, MessageType.RISK_ALERT, rendering.alert(who, e)) for k, e in self._alerts.items()),
            *(
                (k, MessageType.RECONCILIATION, rendering.reconciliation(who, e))
                for k, e in self._reconciled.items()
            ),
            *((k, MessageType.CONTROL, rendering.control(who, e)) for k, e in self._results.items()),
        ]
        return [Message(kind, data) for _, kind, data in sorted(notices, key=lambda notice: notice[:2])]

    def _total_profit(self) -> str | None:
        """Return the total at the newest price, not at that of the last step."""
        grid, ticker = self._grid, self._ticker
        if grid is None:
            return None
        if ticker is None:
            return plain(grid.total_profit)
        return plain(grid.cash + grid.position * ticker.last - grid.fees + grid.funding)


def duration(interval: str) -> DurationNs:
    """Return the length of an interval such as `5m`, 0 for a word that is none."""
    number, unit = interval[:-1], interval[-1:]
    return (
        int(number) * INTERVAL_UNITS[unit] * 1_000_000_000
        if number.isdigit() and unit in INTERVAL_UNITS
        else 0
    )
