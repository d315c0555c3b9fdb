"""The view of one market: the folds of its events, and the messages rendered from them."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from bus.runtime import time_ns
from liveserver.protocol.server_messages import (
    CandleData,
    Data,
    Message,
    MessageType,
    OrderData,
    PositionData,
    QuotingData,
    SymbolData,
    TradeData,
)
from liveserver.protocol.symbol_names import Market, base_and_quote
from liveserver.view import rendering
from liveserver.view.candles import CandleSeries
from liveserver.view.market_status import Listing, MarketStatus
from liveserver.view.notices import NoticeEvent, Notices
from liveserver.view.open_orders import OpenOrderFold, Order
from liveserver.view.own_trades import OwnTradeFold
from liveserver.view.rendering import LazyMessage, MarketLabel, decimal_text
from schemas.engine.events import Fill
from schemas.grid.view import GridView, NotQuoting
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs, Price, TimeNs
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade
from schemas.venue.worth import AccountWorth

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
    | NoticeEvent
)
"""The events folded into a market's view."""


class MarketUpdate(msgspec.Struct, frozen=True):
    """A message to publish, to the viewers of one interval or of the whole market ("")."""

    payload: Message | LazyMessage
    interval: str = ""


class MarketView:
    """Folds the events of one market. `name` is the market's name for browsers.

    `wall_ns` is the clock by which the age of the ticker is sent; it does not affect the folds.
    """

    def __init__(self, market: Market, name: str, wall_ns: Callable[[], TimeNs] = time_ns) -> None:
        self.market = market
        self._wall_ns = wall_ns
        self.label = MarketLabel(name, market.venue, market.symbol)
        self._series: dict[str, CandleSeries] = {}
        self._ticker: Ticker | None = None
        self._orders = OpenOrderFold()
        self._trades = OwnTradeFold()
        self._trade_rows: tuple[TradeData, ...] | None = None
        """The rows of `_trades`, None when they have changed."""
        self._position: Position | None = None
        self._grid: GridView | None = None
        self._notices = Notices()
        self.status = MarketStatus()

    def rename(self, name: str) -> None:
        """Change the market's name for browsers."""
        self.label = MarketLabel(name, self.market.venue, self.market.symbol)
        self._trade_rows = None

    @property
    def name(self) -> str:
        return self.label.symbol

    @property
    def is_traded(self) -> bool:
        listing = self.status.listing
        return self._grid is not None if listing is Listing.UNKNOWN else listing is Listing.TRADED

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
                return [MarketUpdate(LazyMessage(MessageType.POSITION, self._position_data, (event,)))]
            case GridView():
                return self._apply_grid(event)
            case _:
                return [MarketUpdate(message) for message in self._notices.apply(self.label, event)]

    def set_status(self, status: MarketStatus) -> list[MarketUpdate]:
        """Replace the status; return the messages that follow."""
        self.status = status
        return self._status_updates()

    def account(self, balance: Balance, worth: AccountWorth) -> LazyMessage:
        """Return the message of a balance; `worth` is that of the whole account."""
        return LazyMessage(MessageType.ACCOUNT, rendering.account, (self.label, balance, worth))

    def snapshot(self, interval: str, balances: Iterable[Balance], worth: AccountWorth) -> list[Message]:
        """Return the full state for a new viewer, in the order that viewers rely on."""
        messages = [
            Message(MessageType.HISTORY, self.candles(interval)),
            Message(MessageType.ORDERS, self.orders()),
        ]
        if self._position:
            messages.append(Message(MessageType.POSITION, self._position_data(self._position)))
        messages += [self.account(balance, worth).message() for balance in balances]
        if self._grid:
            messages.append(Message(MessageType.GRID_STATE, rendering.grid(self.label, self._grid)))
        messages.append(self._notices.risk_status(self.label))
        messages.append(self._status(interval))
        messages.append(Message(MessageType.TRADE_HISTORY, self.trades()))
        messages += self._notices.messages(self.label)
        messages += self._ticker_messages()
        return messages

    def state_messages(
        self, interval: str, balances: Iterable[Balance], worth: AccountWorth
    ) -> list[Message]:
        """Return the state that durable events do not carry: the state messages for a resuming viewer."""
        messages = [Message(MessageType.ORDERS, self.orders())]
        if self._position:
            messages.append(Message(MessageType.POSITION, self._position_data(self._position)))
        messages += [
            *(self.account(balance, worth).message() for balance in balances),
            self._notices.risk_status(self.label),
            self._status(interval),
        ]
        last = self.candles(interval)[-1:]
        messages += [Message(MessageType.KLINE, row) for row in last if row.forming]
        messages += self._ticker_messages()
        return messages

    def candles(self, interval: str) -> tuple[CandleData, ...]:
        """Return the candles of an interval, oldest first."""
        series = self._series.get(interval)
        return series.history() if series else ()

    def orders(self) -> list[OrderData]:
        """Return the open orders."""
        return [rendering.order(self.label, order) for order in self._orders.displayed()]

    def trades(self) -> tuple[TradeData, ...]:
        """Return the recent own trades, oldest first; the same object while nothing changes."""
        if self._trade_rows is None:
            self._trade_rows = tuple(rendering.trade(self.label, own) for own in self._trades.values())
        return self._trade_rows

    @property
    def fills_complete_from(self) -> int:
        """Time from which the bus has every fill, in seconds since the epoch; 0 if none since the first trade was lost."""
        return rendering.ledger_from(self._grid) if self._grid else 0

    def quoting_changes(self) -> list[QuotingData]:
        """Return the recent changes of the reason for not quoting, oldest first."""
        return self._notices.quoting_changes(self.label)

    def summary(self) -> SymbolData:
        """Return the market's entry in the list of symbols."""
        newest = self._trades.newest
        ticker = self._ticker
        return SymbolData(
            **self.label._asdict(),
            price=decimal_text(ticker.last) if ticker else None,
            price_time_ms=ticker.time // MILLISECOND_NS if ticker else None,
            is_traded=self.is_traded,
            total_profit=self._total_profit(),
            not_quoting=self._not_quoting,
            feed=self.status.feed_state,
            quote=base_and_quote(self.market.symbol)[1],
            fees_other=rendering.decimal_texts(self._grid.fees_other) if self._grid else {},
            last_trade_ms=newest.trade.time // MILLISECOND_NS if newest else 0,
            last_trade_side=newest.trade.side.value if newest else "",
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

    def _position_data(self, position: Position) -> PositionData:
        return rendering.position(self.label, position, self._entry_price(position))

    def _entry_price(self, position: Position) -> Price | None:
        """Return the entry price: the venue's, else the grid's, else that of the own trades; None if flat or unknown."""
        if not position.quantity:
            return None
        if position.entry_price:
            return position.entry_price
        grid = self._grid
        if grid is not None and grid.entry_price is not None and not grid.foreign_position:
            return grid.entry_price
        return self._trades.entry_price(position.quantity, base_and_quote(position.symbol)[0])

    def _apply_grid(self, grid: GridView) -> list[MarketUpdate]:
        before, self._grid = self._grid, grid
        updates = self.set_status(replace(self.status, problem="")) if self.status.problem else []
        updates += self._update(MessageType.GRID_STATE, rendering.grid, grid)
        has_entry_changed = before is not None and before.entry_price != grid.entry_price
        if has_entry_changed and self._position is not None and not self._position.entry_price:
            updates.append(
                MarketUpdate(LazyMessage(MessageType.POSITION, self._position_data, (self._position,)))
            )
        return updates

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
                return [
                    MarketUpdate(
                        LazyMessage(MessageType.TICKER, rendering.ticker, (self.label, event, self._wall_ns))
                    )
                ]
            case FeedChanged():
                return self.set_status(replace(self.status, feed=event))

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

    def _apply_candle(self, event: Candle) -> list[MarketUpdate]:
        is_new = event.interval not in self._series
        series = self._series.setdefault(event.interval, CandleSeries())
        row = series.apply(event)
        updates = [MarketUpdate(Message(MessageType.KLINE, row), event.interval)] if row else []
        return [*self._status_updates(), *updates] if is_new else updates

    def _status_updates(self) -> list[MarketUpdate]:
        return [MarketUpdate(self._status(interval), interval) for interval in self.intervals]

    def _apply_trade(self, event: Trade, sequence: int) -> list[MarketUpdate]:
        self._trade_rows = None
        is_first, own = self._trades.apply_trade(event)
        orders = self._order_updates(self._orders.apply_trade(event, sequence)) if is_first else []
        if own is None:
            return orders
        return [*orders, *self._update(MessageType.TRADE_EVENT, rendering.trade, own)]

    def _apply_fill(self, event: Fill) -> list[MarketUpdate]:
        self._trade_rows = None
        was_published, own = self._trades.apply_fill(event)
        if own is None:
            return []
        kind = MessageType.FILL if was_published else MessageType.TRADE_EVENT
        return self._update(kind, rendering.trade, own)

    def _ticker_messages(self) -> list[Message]:
        ticker = self._ticker
        if ticker is None:
            return []
        return [Message(MessageType.TICKER, rendering.ticker(self.label, ticker, self._wall_ns))]

    @property
    def _not_quoting(self) -> NotQuoting | None:
        if self._grid is None:
            return None
        blocked = self.status.blocked
        return blocked.reason if blocked and self.is_traded else self._grid.not_quoting

    def _status(self, interval: str) -> Message:
        return Message(MessageType.STATUS, self.status.data(self.label, interval, self.intervals))

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
