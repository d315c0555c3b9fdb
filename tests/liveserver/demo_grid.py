"""A long grid for demonstrations: orders fill at their prices, and the accounting is exact."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from schemas import subjects
from schemas.engine.events import Fill
from schemas.grid.settings import GridMode
from schemas.grid.view import GridView, SlotStatus, SlotView
from schemas.units import SECOND_NS, ZERO, ClientOrderId, Side, Symbol, TradeId, VenueId
from schemas.venue.account import OpenOrder, OpenOrders, Position
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderReport, OrderStatus, Trade

SIM = VenueId("sim")
Published = tuple[str, msgspec.Struct]
"""A subject and the event published on it."""


WINDOW = 10
FEE = Decimal("0.0001")
FUNDING = Decimal("-0.84")


@dataclass
class Level:
    """A price level: its order and its holdings."""

    side: Side
    order_id: ClientOrderId
    placed_ns: int
    held: Decimal = ZERO
    fee: Decimal = ZERO


@dataclass
class DemoGrid:
    """The grid of a symbol: a buy order on each level below the price, a sell order one level above each filled buy."""

    symbol: Symbol
    anchor: Decimal
    interval: Decimal
    quantity: Decimal
    start_ns: int
    levels: dict[int, Level] = field(default_factory=dict)
    cash: Decimal = ZERO
    fees: Decimal = ZERO
    profit: Decimal = ZERO
    volume: Decimal = ZERO
    position: Decimal = ZERO
    pairs: int = 0
    opened: int = 0
    orders: int = 0
    steps: int = 0

    def quote(self, price: Decimal, at_ns: int) -> Iterator[Published]:
        """Fill orders that the price touches, cancel orders below the window, place missing ones."""
        center = round((price - self.anchor) / self.interval)
        for level in sorted(self.levels):
            yield from self._fill_if_touched(level, price, at_ns)
        for level, order in list(self.levels.items()):
            if order.side is Side.BUY and not center - WINDOW <= level < center:
                yield self._report(level, OrderStatus.CANCELED, at_ns)
                del self.levels[level]
        for level in range(center - WINDOW, center):
            if level not in self.levels:
                yield self._place(level, Side.BUY, at_ns)

    def sweep(self, includes: int, at_ns: int) -> Published:
        """Return a snapshot of all open orders."""
        orders = tuple(
            OpenOrder(
                client_order_id=order.order_id,
                venue_order_id=f"v{level}",
                side=order.side,
                price=self._order_price(level),
                quantity=self.quantity,
                cumulative_quantity=ZERO,
                status=OrderStatus.NEW,
                reduce_only=order.side is Side.SELL,
                time=order.placed_ns,
            )
            for level, order in sorted(self.levels.items())
        )
        found = OpenOrders(venue=SIM, symbol=self.symbol, orders=orders, includes=includes, time=at_ns)
        return subjects.open_orders(SIM, self.symbol), found

    def account(self, price: Decimal, at_ns: int) -> Position:
        """Return the position at a price."""
        cost = sum((self._price(k) * level.held for k, level in self.levels.items()), ZERO)
        entry = (cost / self.position).quantize(self.interval / 100) if self.position else ZERO
        return Position(
            venue=SIM,
            symbol=self.symbol,
            quantity=self.position,
            entry_price=entry,
            mark_price=price,
            unrealized_pnl=(price - entry) * self.position,
            leverage=Decimal(3),
            time=at_ns,
            liquidation_price=(entry * Decimal("0.7")).quantize(self.interval) if self.position else None,
        )

    def view(self, price: Decimal, at_ns: int) -> GridView:
        """Return the published view of the grid at a price."""
        center = round((price - self.anchor) / self.interval)
        self.steps += 1
        levels = sorted({*range(center - WINDOW, center + 1), *self.levels})
        held = ((price - self._price(k)) * level.held for k, level in self.levels.items())
        return GridView(
            venue=SIM,
            symbol=self.symbol,
            step=self.steps,
            mode=GridMode.LONG,
            anchor_price=self.anchor,
            price_interval=self.interval,
            center=center,
            price=price,
            slots=tuple(self._slot(level) for level in levels),
            paused=False,
            not_quoting=None,
            position=self.position,
            cash=self.cash,
            fees=self.fees,
            funding=FUNDING,
            grid_profit=self.profit,
            unpaired_profit=sum(held, ZERO),
            total_profit=self.cash + self.position * price - self.fees + FUNDING,
            buy_and_hold=(price - self.anchor) * self.quantity * WINDOW,
            closed_trades=self.pairs,
            opened_trades=self.opened,
            volume=self.volume,
            first_time=self.start_ns,
            time=at_ns,
        )

    def _fill_if_touched(self, level: int, price: Decimal, at_ns: int) -> Iterator[Published]:
        order, limit = self.levels[level], self._order_price(level)
        if (price - limit) * order.side.sign > 0:
            return
        yield self._report(level, OrderStatus.FILLED, at_ns)
        yield from self._book(level, limit, at_ns)
        del self.levels[level]
        if order.side is Side.BUY:
            yield self._place(level, Side.SELL, at_ns)
            self.levels[level].held, self.levels[level].fee = self.quantity, order.fee

    def _place(self, level: int, side: Side, at_ns: int) -> Published:
        self.orders += 1
        name = order_id("sqt", self.symbol, 1, level, side, self.orders)
        self.levels[level] = Level(side, name, at_ns)
        return self._report(level, OrderStatus.NEW, at_ns)

    def _book(self, level: int, price: Decimal, at_ns: int) -> Iterator[Published]:
        order, value = self.levels[level], self.quantity * price
        fee = (value * FEE).quantize(Decimal("0.000001"))
        opens = order.side is Side.BUY
        profit = ZERO if opens else (price - self._price(level)) * self.quantity - fee - order.fee
        order.fee = fee
        self.position += self.quantity * order.side.sign
        self.cash -= value * order.side.sign
        self.fees += fee
        self.profit += profit
        self.volume += value
        self.opened += opens
        self.pairs += not opens
        self.steps += 1
        trade = Trade(
            venue=SIM,
            symbol=self.symbol,
            trade_id=TradeId(f"{self.symbol}-{self.opened + self.pairs}"),
            client_order_id=order.order_id,
            side=order.side,
            price=price,
            quantity=self.quantity,
            fee=fee,
            fee_asset="USDT",
            is_maker=True,
            time=at_ns + self.opened + self.pairs,
        )
        yield subjects.own_trade(SIM, self.symbol), trade
        fields = {
            name: getattr(trade, name) for name in Trade.__struct_fields__ if name in Fill.__struct_fields__
        }
        fill = Fill(
            **fields, level=level, opens=opens, grid_profit=profit, position=self.position, step=self.steps
        )
        yield subjects.fill(SIM, self.symbol), fill

    def _report(self, level: int, status: OrderStatus, at_ns: int) -> Published:
        order = self.levels[level]
        report = OrderReport(
            venue=SIM,
            symbol=self.symbol,
            client_order_id=order.order_id,
            status=status,
            cumulative_quantity=self.quantity if status is OrderStatus.FILLED else ZERO,
            time=at_ns,
            side=order.side,
            price=self._order_price(level),
            quantity=self.quantity,
        )
        return subjects.order_report(SIM, self.symbol), report

    def _slot(self, level: int) -> SlotView:
        known = self.levels.get(level)
        if known is None:
            empty = SlotStatus.EMPTY
            return SlotView(slot_id=level, price=self._price(level), side=None, status=empty, held=ZERO)
        return SlotView(
            slot_id=level,
            price=self._price(level),
            side=Side.BUY,
            status=SlotStatus.FILLED if known.held else SlotStatus.OPEN,
            held=known.held,
            client_order_id=known.order_id,
            order_price=self._order_price(level),
        )

    def _price(self, level: int) -> Decimal:
        return self.anchor + level * self.interval

    def _order_price(self, level: int) -> Decimal:
        return self._price(level + (self.levels[level].side is Side.SELL))


def minutes_ns(minutes: int) -> int:
    """Return minutes in nanoseconds."""
    return minutes * 60 * SECOND_NS
