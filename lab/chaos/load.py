"""Load of `verify --viewers`: events of every durable kind at a steady rate."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bus import Bus, BusError, StreamGone, provision
from schemas import subjects
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import Fill, RiskChanged, Severity
from schemas.grid.settings import GridMode
from schemas.grid.view import GridView
from schemas.units import SECOND_NS, ZERO, ClientOrderId, Side, Symbol, TradeId, VenueId
from schemas.venue.market import Candle, Ticker
from schemas.venue.orders import OrderReport, OrderStatus, Trade

VENUE = VenueId("sim")
ONE, PRICE = Decimal(1), Decimal(100)
RETRY_S = 0.1


class Market(NamedTuple):
    """A symbol and its subject token: `C1/USDT:USDT`, `C1-USDT_USDT`."""

    symbol: Symbol
    token: str


def markets(count: int) -> list[Market]:
    """Return `count` symbols."""
    symbols = [Symbol(f"C{i}/USDT:USDT") for i in range(count)]
    return [Market(symbol, subjects.escape(symbol)) for symbol in symbols]


class EventGenerator:
    """Stores events of random kinds and symbols until it is stopped. An event whose write fails is dropped."""

    def __init__(
        self, bus: Bus, all_markets: Sequence[Market], events_per_s: float, rng: random.Random
    ) -> None:
        self._bus = bus
        self._markets = all_markets
        self._interval_s = 1 / events_per_s
        self._random = rng
        self._count = 0
        self._is_stopping = False
        self._stopped = asyncio.Event()

    async def publish_tickers(self) -> None:
        """Store a ticker of every symbol, so that the live servers know all symbols."""
        for market in self._markets:
            await self._bus.store(subjects.ticker(VENUE, market.symbol), _ticker(market.symbol, 0))

    async def run(self) -> None:
        """Store a random event and a ticker per interval, until stopped; slower if writes take longer."""
        started_s, event_makers = (
            time.monotonic(),
            (_report, _report, _trade, _fill, _grid, _candle, _risk, _result),
        )
        while not self._is_stopping:
            self._count += 1
            market = self._random.choice(self._markets)
            event_of: Callable[[Symbol, int], tuple[str, msgspec.Struct]] = self._random.choice(event_makers)
            await self._store(*event_of(market.symbol, self._count))
            await self._store(subjects.ticker(VENUE, market.symbol), _ticker(market.symbol, self._count))
            await asyncio.sleep(max(0.0, started_s + self._count * self._interval_s - time.monotonic()))
        self._stopped.set()

    def stop(self) -> None:
        self._is_stopping = True

    async def wait_stopped(self) -> None:
        """Return when the last event is stored."""
        await self._stopped.wait()

    async def _store(self, subject: str, event: msgspec.Struct) -> None:
        try:
            await self._bus.store(subject, event)
        except StreamGone:
            # An in-memory stream does not survive a restart of the bus server.
            await self._provision()
        except BusError:
            await asyncio.sleep(RETRY_S)

    async def _provision(self) -> None:
        try:
            await provision(self._bus)
        except BusError:
            await asyncio.sleep(RETRY_S)


def _ticker(symbol: Symbol, n: int) -> Ticker:
    price = PRICE + n % 50
    return Ticker(venue=VENUE, symbol=symbol, bid=price - 1, ask=price + 1, last=price, time=time.time_ns())


def _report(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    # Odd reports end the order that an even one opened.
    return subjects.order_report(VENUE, symbol), OrderReport(
        venue=VENUE,
        symbol=symbol,
        client_order_id=ClientOrderId(f"order-{n // 40}"),
        status=OrderStatus.CANCELED if n % 2 else OrderStatus.NEW,
        cumulative_quantity=ZERO,
        time=time.time_ns(),
        side=Side.BUY,
        price=PRICE,
        quantity=ONE,
    )


def _trade(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    return subjects.own_trade(VENUE, symbol), Trade(
        venue=VENUE,
        symbol=symbol,
        trade_id=TradeId(f"t{n}"),
        client_order_id=ClientOrderId(f"order-{n // 40}"),
        side=Side.BUY,
        price=PRICE,
        quantity=ONE,
        fee=ZERO,
        fee_asset="USDT",
        is_maker=True,
        time=time.time_ns(),
    )


def _fill(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    return subjects.fill(VENUE, symbol), Fill(
        venue=VENUE,
        symbol=symbol,
        trade_id=TradeId(f"t{n}"),
        client_order_id=ClientOrderId(f"order-{n // 40}"),
        level=-1,
        side=Side.BUY,
        price=PRICE,
        quantity=ONE,
        fee=ZERO,
        fee_asset="USDT",
        opens=True,
        grid_profit=ZERO,
        position=ONE,
        is_maker=True,
        step=n,
        time=time.time_ns(),
    )


def _grid(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    return subjects.grid(VENUE, symbol), GridView(
        venue=VENUE,
        symbol=symbol,
        step=n,
        mode=GridMode.LONG,
        anchor_price=PRICE,
        price_interval=ONE,
        center=0,
        price=PRICE,
        slots=(),
        paused=False,
        not_quoting=None,
        position=ZERO,
        cash=ZERO,
        fees=ZERO,
        funding=ZERO,
        grid_profit=ZERO,
        unpaired_profit=ZERO,
        total_profit=ZERO,
        buy_and_hold=ZERO,
        closed_trades=0,
        opened_trades=0,
        volume=ZERO,
        first_time=0,
        time=time.time_ns(),
    )


def _candle(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    return subjects.closed_candle(VENUE, symbol, "1m"), Candle(
        venue=VENUE,
        symbol=symbol,
        interval="1m",
        open_time=n * 60 * SECOND_NS,
        open=PRICE,
        high=PRICE,
        low=PRICE,
        close=PRICE,
        volume=ONE,
        closed=True,
        time=time.time_ns(),
    )


def _risk(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    return subjects.risk(VENUE, symbol), RiskChanged(
        venue=VENUE,
        symbol=symbol,
        severity=Severity.LOW,
        reason="volume",
        details="",
        active=bool(n % 2),
        step=n,
        time=time.time_ns(),
    )


def _result(symbol: Symbol, n: int) -> tuple[str, msgspec.Struct]:
    return subjects.command_result(VENUE, symbol), CommandResult(
        venue=VENUE,
        symbol=symbol,
        command_id=f"c{n}",
        name=CommandName.PAUSE,
        outcome=CommandOutcome.APPLIED,
        detail="",
        operator="verify",
        reason="",
        step=n,
        time=time.time_ns(),
    )
