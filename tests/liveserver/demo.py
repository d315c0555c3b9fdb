"""A believable day of grid trading, made up: for the page's tests, and to look at the page.

    python -m tests.liveserver.demo nats://127.0.0.1:4222

publishes it on a bus, and goes on from there.
"""

import asyncio
import math
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from bus import Bus, connect, provision
from schemas import subjects
from schemas.account import Balance, OpenOrder, OpenOrders, Position
from schemas.control import CommandName, CommandOutcome, CommandResult
from schemas.engine import Fill, Reconciled, ReconciliationFinding, RiskChanged, Severity
from schemas.grid import GridMode, GridView, SlotStatus, SlotView
from schemas.market import Candle, FeedChanged, FeedState, Ticker
from schemas.order_ids import order_id
from schemas.orders import OrderReport, OrderStatus, Trade
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol, TradeId, VenueId

SIM = VenueId("sim")
Said = tuple[str, msgspec.Struct]
"""A subject and what is published there."""

ZERO = Decimal(0)
WINDOW = 10
FEE = Decimal("0.0001")
STEPS_A_MINUTE = 12
TICK_S = 0.25


@dataclass
class DemoMarket:
    """One symbol: a price that wanders, and a long grid that trades it."""

    symbol: Symbol
    price: Decimal
    interval: Decimal
    quantity: Decimal
    seed: int = 1
    now_s: float = field(default_factory=time.time)
    volatility: float = 0.0008
    minutes: int = 600

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._tick = self.interval / 50
        self._anchor = self.price
        self._levels: dict[int, Side] = {}
        self._cycle = 0
        self._ids: dict[int, ClientOrderId] = {}
        self._held: dict[int, Decimal] = {}
        self._fees: dict[int, Decimal] = {}
        self._books = dict.fromkeys(("cash", "fees", "profit", "volume", "position"), ZERO)
        self._pairs = self._opened = self._trades = self._step = 0
        self._start_s = int(self.now_s) // 60 * 60 - self.minutes * 60
        self._candle = self._opening_candle(self._start_s)
        self._drift = 0.0

    def history(self) -> Iterator[Said]:
        """Yield a day that ends now."""
        yield self._feed(FeedState.UP, "connected", self._start_s)
        yield from self._quote(self._start_s)
        for minute in range(self.minutes):
            for step in range(STEPS_A_MINUTE):
                yield from self._move(self._start_s + minute * 60 + step * 60 / STEPS_A_MINUTE, 1.0)
            yield from self._close_candle()
        yield from self._notices()
        yield from self.levels()

    def tick(self) -> Iterator[Said]:
        """Yield what happens in a quarter of a second, from now on."""
        now = time.time()
        if now >= self._candle.open_time / SECOND_NS + 60:
            yield from self._close_candle()
        yield from self._move(now, 0.35)
        yield subjects.live_candle(SIM, self.symbol, "1m"), self._candle
        yield self._ticker(now)
        if self._step % 4 == 0:
            yield from self.levels()

    def levels(self) -> Iterator[Said]:
        """Yield the account as it is."""
        position = self._books["position"]
        cost = sum((self._price(k) * q for k, q in self._held.items()), ZERO)
        entry = (cost / position).quantize(self._tick) if position else ZERO
        unrealized = (self.price - entry) * position if position else ZERO
        time_ns = self._candle.time
        yield (
            subjects.position(SIM, self.symbol),
            Position(
                venue=SIM,
                symbol=self.symbol,
                quantity=position,
                entry_price=entry,
                mark_price=self.price,
                unrealized_pnl=unrealized,
                leverage=Decimal(3),
                time=time_ns,
                liquidation_price=(entry * Decimal("0.7")).quantize(self._tick) if position else None,
            ),
        )
        total = Decimal(5000) + self._books["profit"]
        balance = Balance(
            venue=SIM,
            asset="USDT",
            total=total,
            free=total - cost / 3,
            margin_balance=total + unrealized,
            unrealized_pnl=unrealized,
            time=time_ns,
        )
        yield subjects.balance(SIM, "USDT"), balance
        yield subjects.grid(SIM, self.symbol), self._view(time_ns)

    def sweep(self, includes: int) -> Said:
        """Return all open orders as a sweep finds them."""
        orders = tuple(
            OpenOrder(
                client_order_id=self._ids[level],
                venue_order_id=f"v{level}",
                side=side,
                price=self._order_price(level, side),
                quantity=self._held.get(level, self.quantity),
                cumulative_quantity=ZERO,
                status=OrderStatus.NEW,
                reduce_only=side is Side.SELL,
                time=self._candle.time - abs(level) * 17 * SECOND_NS,
            )
            for level, side in sorted(self._levels.items())
        )
        level = OpenOrders(
            venue=SIM, symbol=self.symbol, orders=orders, includes=includes, time=self._candle.time
        )
        return subjects.open_orders(SIM, self.symbol), level

    def _move(self, at: float, scale: float) -> Iterator[Said]:
        self._drift = 0.99 * self._drift + self._random.gauss(0, 0.000002)
        back = 0.012 * math.log(float(self._anchor / self.price)) / STEPS_A_MINUTE
        change = self._random.gauss(self._drift + back, self.volatility / math.sqrt(STEPS_A_MINUTE)) * scale
        self.price = max(self._tick, (self.price * Decimal(1 + change)).quantize(self._tick))
        candle = self._candle
        self._candle = msgspec.structs.replace(
            candle,
            high=max(candle.high, self.price),
            low=min(candle.low, self.price),
            close=self.price,
            volume=candle.volume + Decimal(str(round(self._random.expovariate(0.4) * scale**6, 3))),
            time=int(at * SECOND_NS),
        )
        yield from self._quote(at)

    def _quote(self, at: float) -> Iterator[Said]:
        center = round((self.price - self._anchor) / self.interval)
        for level in sorted(self._levels):
            yield from self._maybe_fill(level, at)
        for level in list(self._levels):
            if self._levels[level] is Side.BUY and not center - WINDOW <= level < center:
                yield self._report(level, Side.BUY, OrderStatus.CANCELED, at)
                del self._levels[level]
        for level in range(center - WINDOW, center):
            if level not in self._levels and level not in self._held:
                yield from self._place(level, Side.BUY, at)

    def _maybe_fill(self, level: int, at: float) -> Iterator[Said]:
        side = self._levels[level]
        price = self._order_price(level, side)
        if (self.price - price) * side.sign > 0:
            return
        yield self._report(level, side, OrderStatus.FILLED, at)
        yield from self._book(level, side, price, at)
        del self._levels[level]
        if side is Side.BUY:
            yield from self._place(level, Side.SELL, at)

    def _place(self, level: int, side: Side, at: float) -> Iterator[Said]:
        self._cycle += 1
        self._levels[level] = side
        self._ids[level] = order_id("sqt", self.symbol, 1, level, side, self._cycle)
        yield self._report(level, side, OrderStatus.NEW, at)

    def _book(self, level: int, side: Side, price: Decimal, at: float) -> Iterator[Said]:
        quantity = self._held.pop(level, self.quantity)
        fee = (quantity * price * FEE).quantize(Decimal("0.000001"))
        opens = side is Side.BUY
        profit = ZERO if opens else (price - self._price(level)) * quantity - fee - self._fees.pop(level)
        if opens:
            self._held[level], self._fees[level] = quantity, fee
        books = self._books
        books["position"] += quantity * side.sign
        books["cash"] -= quantity * price * side.sign
        books["fees"] += fee
        books["profit"] += profit
        books["volume"] += quantity * price
        self._opened += opens
        self._pairs += not opens
        self._trades += 1
        self._step += 1
        trade = Trade(
            venue=SIM,
            symbol=self.symbol,
            trade_id=TradeId(f"{self.seed}-{self._trades}"),
            client_order_id=self._ids[level],
            side=side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset="USDT",
            is_maker=True,
            time=int(at * SECOND_NS) + self._trades,
        )
        yield subjects.own_trade(SIM, self.symbol), trade
        booked = {name: getattr(trade, name) for name in Trade.__struct_fields__ if name != "venue_order_id"}
        fill = Fill(
            **booked,
            level=level,
            opens=opens,
            grid_profit=profit,
            position=books["position"],
            step=self._step,
        )
        yield subjects.fill(SIM, self.symbol), fill

    def _view(self, time_ns: int) -> GridView:
        books, center = self._books, round((self.price - self._anchor) / self.interval)
        unpaired = sum(((self.price - self._price(k)) * q for k, q in self._held.items()), ZERO)
        self._step += 1
        levels = sorted({*range(center - WINDOW, center + 1), *self._levels})
        return GridView(
            venue=SIM,
            symbol=self.symbol,
            step=self._step,
            mode=GridMode.LONG,
            anchor_price=self._anchor,
            price_interval=self.interval,
            center=center,
            price=self.price,
            slots=tuple(self._slot(level) for level in levels),
            paused=False,
            not_quoting=None,
            position=books["position"],
            cash=books["cash"],
            fees=books["fees"],
            funding=Decimal("-0.84"),
            grid_profit=books["profit"],
            unpaired_profit=unpaired,
            total_profit=books["cash"] + books["position"] * self.price - books["fees"] + Decimal("-0.84"),
            buy_and_hold=(self.price - self._anchor) * self.quantity * WINDOW,
            closed_trades=self._pairs,
            opened_trades=self._opened,
            volume=books["volume"],
            first_time=self._start_s * SECOND_NS,
            time=time_ns,
        )

    def _slot(self, level: int) -> SlotView:
        side = self._levels.get(level)
        held = self._held.get(level, ZERO)
        status = SlotStatus.FILLED if held else SlotStatus.OPEN if side else SlotStatus.EMPTY
        return SlotView(
            slot_id=level,
            price=self._price(level),
            side=Side.BUY if held else side,
            status=status,
            held=held,
            client_order_id=self._ids[level] if side else None,
            order_price=self._order_price(level, side) if side else None,
        )

    def _notices(self) -> Iterator[Said]:
        at = self._start_s + self.minutes * 60
        guards = [
            ("volume_spike", Severity.HIGH, "BTC 4.1 times its mean volume, below its mean price", 5400)
        ]
        for reason, severity, details, ago in guards:
            for active, later in ((True, 0), (False, 780)):
                changed = RiskChanged(
                    venue=SIM,
                    symbol=self.symbol,
                    severity=severity,
                    reason=reason,
                    details=details if active else "three symbols recovered",
                    active=active,
                    step=1,
                    time=(at - ago + later) * SECOND_NS,
                )
                yield subjects.risk(SIM, self.symbol), changed
        found = Reconciled(
            venue=SIM,
            symbol=self.symbol,
            finding=ReconciliationFinding.TRADES_MISSING,
            client_order_id=self._ids[min(self._ids)],
            action="fetched 1 trade of 0.004",
            step=2,
            time=(at - 2400) * SECOND_NS,
        )
        yield subjects.reconciliation(SIM, self.symbol), found
        for name, ago, why in ((CommandName.PAUSE, 900, "maintenance"), (CommandName.RESUME, 600, "done")):
            answer = CommandResult(
                venue=SIM,
                symbol=self.symbol,
                command_id=f"c{ago}",
                name=name,
                outcome=CommandOutcome.APPLIED,
                detail="",
                operator="ada",
                reason=why,
                step=3,
                time=(at - ago) * SECOND_NS,
            )
            yield subjects.command_result(SIM, self.symbol), answer

    def _close_candle(self) -> Iterator[Said]:
        closed = msgspec.structs.replace(self._candle, closed=True)
        yield subjects.closed_candle(SIM, self.symbol, "1m"), closed
        self._candle = self._opening_candle(closed.open_time // SECOND_NS + 60)

    def _opening_candle(self, open_s: int) -> Candle:
        price = self.price
        return Candle(
            venue=SIM,
            symbol=self.symbol,
            interval="1m",
            open_time=open_s * SECOND_NS,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=ZERO,
            closed=False,
            time=open_s * SECOND_NS,
        )

    def _ticker(self, at: float) -> Said:
        ticker = Ticker(
            venue=SIM,
            symbol=self.symbol,
            bid=self.price - self._tick,
            ask=self.price + self._tick,
            last=self.price,
            time=int(at * SECOND_NS),
        )
        return subjects.ticker(SIM, self.symbol), ticker

    def _feed(self, state: FeedState, reason: str, at: float) -> Said:
        changed = FeedChanged(
            venue=SIM, symbol=self.symbol, state=state, reason=reason, time=int(at * SECOND_NS)
        )
        return subjects.feed(SIM, self.symbol), changed

    def _report(self, level: int, side: Side, status: OrderStatus, at: float) -> Said:
        quantity = self._held.get(level, self.quantity)
        report = OrderReport(
            venue=SIM,
            symbol=self.symbol,
            client_order_id=self._ids[level],
            status=status,
            cumulative_quantity=quantity if status is OrderStatus.FILLED else ZERO,
            time=int(at * SECOND_NS),
            side=side,
            price=self._order_price(level, side),
            quantity=quantity,
        )
        return subjects.order_report(SIM, self.symbol), report

    def _price(self, level: int) -> Decimal:
        return self._anchor + level * self.interval

    def _order_price(self, level: int, side: Side) -> Decimal:
        return self._price(level + (side is Side.SELL))


def markets(minutes: int = 600) -> list[DemoMarket]:
    """Return the symbols of the demonstration."""
    told = [
        ("BTC/USDT:USDT", "64250.00", "40.00", "0.006", 7),
        ("ETH/USDT:USDT", "3120.00", "2.00", "0.12", 3),
        ("SOL/USDT:USDT", "148.500", "0.100", "2.4", 5),
    ]
    return [
        DemoMarket(
            Symbol(symbol), Decimal(price), Decimal(interval), Decimal(quantity), seed, minutes=minutes
        )
        for symbol, price, interval, quantity, seed in told
    ]


async def publish_history(bus: Bus, market: DemoMarket) -> None:
    """Store a market's day on the bus, and a sweep of its open orders."""
    sent = [(subject, await bus.send(subject, event)) for subject, event in market.history()]
    includes = [await sequence for subject, sequence in sent if subject.startswith("order.")]
    subject, event = market.sweep(includes[-1])
    await bus.store(subject, event)
    for subject, event in market.tick():
        await bus.store(subject, event)


async def go_on(bus: Bus, market: DemoMarket) -> None:
    """Publish what happens from now on, for ever."""
    while True:
        for subject, event in market.tick():
            await bus.store(subject, event)
        await asyncio.sleep(TICK_S)


async def main(bus_url: str) -> None:
    """Publish the demonstration."""
    async with connect(bus_url, name="demo") as bus, asyncio.TaskGroup() as tasks:
        await provision(bus)
        for market in markets():
            await publish_history(bus, market)
            tasks.create_task(go_on(bus, market))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
