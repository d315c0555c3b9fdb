"""Synthetic market and grid trading data, for the page's tests and for demonstrations.

    python -m tests.liveserver.demo nats://127.0.0.1:4222

publishes a history on a bus, and continues with live data.
"""

import asyncio
import math
import random
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from bus import Bus, connect, provision
from schemas import subjects
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import Reconciled, ReconciliationFinding, RiskChanged, Severity
from schemas.units import SECOND_NS, ZERO, Symbol
from schemas.venue.account import Balance
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from tests.liveserver.demo_grid import SIM, DemoGrid, Published, minutes_ns

STEPS_A_MINUTE = 12
VOLATILITY = 0.0008
"""Standard deviation of a minute's return."""
TICK_S = 0.25


class DemoMarket:
    """One symbol: a mean-reverting random price, and a grid that trades it."""

    def __init__(
        self,
        symbol: Symbol,
        price: Decimal,
        interval: Decimal,
        quantity: Decimal,
        seed: int = 1,
        minutes: int = 600,
    ) -> None:
        self.symbol = symbol
        self.price = price
        self.minutes = minutes
        self._random = random.Random(seed)
        self._tick = interval / 50
        self._anchor = price
        self._start_ns = time.time_ns() // minutes_ns(1) * minutes_ns(1) - minutes_ns(minutes)
        self.grid = DemoGrid(symbol, price, interval, quantity, self._start_ns)
        self._candle = self._opening_candle(self._start_ns)
        self._ticks = 0

    def history(self) -> Iterator[Published]:
        """Yield the history that ends now."""
        connected = FeedChanged(
            venue=SIM, symbol=self.symbol, state=FeedState.UP, reason="connected", time=self._start_ns
        )
        yield subjects.feed(SIM, self.symbol), connected
        for minute in range(self.minutes):
            for step in range(STEPS_A_MINUTE):
                at_ns = self._start_ns + minutes_ns(minute) + step * minutes_ns(1) // STEPS_A_MINUTE
                yield from self._move(at_ns, 1.0)
            yield from self._close_candle()
        yield from self._notices(self._start_ns + minutes_ns(self.minutes))
        yield from self.tick()

    def tick(self) -> Iterator[Published]:
        """Yield the events of one live tick (`TICK_S`)."""
        now_ns = time.time_ns()
        if now_ns >= self._candle.open_time + minutes_ns(1):
            yield from self._close_candle()
        yield from self._move(now_ns, 0.35)
        yield subjects.live_candle(SIM, self.symbol, "1m"), self._candle
        ticker = Ticker(
            venue=SIM,
            symbol=self.symbol,
            bid=self.price - self._tick,
            ask=self.price + self._tick,
            last=self.price,
            time=now_ns,
        )
        yield subjects.ticker(SIM, self.symbol), ticker
        if self._ticks % 4 == 0:
            yield from self._account_and_grid(now_ns)
        self._ticks += 1

    def _account_and_grid(self, now_ns: int) -> Iterator[Published]:
        position = self.grid.account(self.price, now_ns)
        yield subjects.position(SIM, self.symbol), position
        total = Decimal(5000) + self.grid.profit
        balance = Balance(
            venue=SIM,
            asset="USDT",
            total=total,
            free=total - position.quantity * position.entry_price / position.leverage,
            margin_balance=total + position.unrealized_pnl,
            unrealized_pnl=position.unrealized_pnl,
            time=now_ns,
        )
        yield subjects.balance(SIM, "USDT"), balance
        yield subjects.grid(SIM, self.symbol), self.grid.view(self.price, now_ns)

    def _move(self, at_ns: int, scale: float) -> Iterator[Published]:
        drift = 0.012 * math.log(float(self._anchor / self.price)) / STEPS_A_MINUTE
        change = self._random.gauss(drift, VOLATILITY / math.sqrt(STEPS_A_MINUTE)) * scale
        self.price = (self.price * Decimal(1 + change)).quantize(self._tick)
        candle = self._candle
        self._candle = msgspec.structs.replace(
            candle,
            high=max(candle.high, self.price),
            low=min(candle.low, self.price),
            close=self.price,
            volume=candle.volume + Decimal(str(round(self._random.expovariate(0.4) * scale**3, 3))),
            time=at_ns,
        )
        yield from self.grid.quote(self.price, at_ns)

    def _close_candle(self) -> Iterator[Published]:
        closed = msgspec.structs.replace(self._candle, closed=True)
        yield subjects.closed_candle(SIM, self.symbol, "1m"), closed
        self._candle = self._opening_candle(closed.open_time + minutes_ns(1))

    def _opening_candle(self, open_ns: int) -> Candle:
        price = self.price
        return Candle(
            venue=SIM,
            symbol=self.symbol,
            interval="1m",
            open_time=open_ns,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=ZERO,
            closed=False,
            time=open_ns,
        )

    def _notices(self, at_ns: int) -> Iterator[Published]:
        for active, ago_s, details in ((True, 5400, "4.1 times the mean volume"), (False, 4620, "recovered")):
            changed = RiskChanged(
                venue=SIM,
                symbol=self.symbol,
                severity=Severity.HIGH,
                reason="volume_spike",
                details=details,
                active=active,
                step=1,
                time=at_ns - ago_s * SECOND_NS,
            )
            yield subjects.risk(SIM, self.symbol), changed
        found = Reconciled(
            venue=SIM,
            symbol=self.symbol,
            finding=ReconciliationFinding.TRADES_MISSING,
            client_order_id=next(iter(self.grid.levels.values())).order_id,
            action="fetched 1 trade",
            step=2,
            time=at_ns - 2400 * SECOND_NS,
        )
        yield subjects.reconciliation(SIM, self.symbol), found
        for name, ago_s, reason in (
            (CommandName.PAUSE, 900, "maintenance"),
            (CommandName.RESUME, 600, "done"),
        ):
            answer = CommandResult(
                venue=SIM,
                symbol=self.symbol,
                command_id=f"{self.symbol} {name}",
                name=name,
                outcome=CommandOutcome.APPLIED,
                detail="",
                operator="ada",
                reason=reason,
                step=3,
                time=at_ns - ago_s * SECOND_NS,
            )
            yield subjects.command_result(SIM, self.symbol), answer


def markets(minutes: int = 600) -> list[DemoMarket]:
    """Return the demonstration's symbols."""
    parameters = [
        ("BTC/USDT:USDT", "64250.00", "40.00", "0.006", 7),
        ("ETH/USDT:USDT", "3120.00", "2.00", "0.12", 3),
        ("SOL/USDT:USDT", "148.500", "0.100", "2.4", 5),
    ]
    return [
        DemoMarket(Symbol(symbol), Decimal(price), Decimal(interval), Decimal(quantity), seed, minutes)
        for symbol, price, interval, quantity, seed in parameters
    ]


async def publish_history(bus: Bus, market: DemoMarket) -> None:
    """Store a market's history on the bus, and a snapshot of its open orders."""
    sent = [(subject, await bus.send(subject, event)) for subject, event in market.history()]
    includes = [await sequence for subject, sequence in sent if subject.startswith("order.")]
    subject, event = market.grid.sweep(includes[-1], time.time_ns())
    await bus.store(subject, event)


async def publish_live(bus: Bus, market: DemoMarket) -> None:
    """Publish live ticks."""
    while True:
        for subject, event in market.tick():
            await bus.store(subject, event)
        await asyncio.sleep(TICK_S)


async def main(bus_url: str) -> None:
    """Publish histories, then live data, of all symbols."""
    async with connect(bus_url, name="demo") as bus, asyncio.TaskGroup() as tasks:
        await provision(bus)
        for market in markets():
            await publish_history(bus, market)
            tasks.create_task(publish_live(bus, market))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
