"""`bench doors`: what others notice while one address does the most that the limits of a public live server allow.

The live server is a process on a core of its own, public, with the history of three symbols. One viewer and one client of
`/health`, at an address of their own, are measured for a while alone, which is the baseline, and then while 40 sockets and
8 HTTP clients of another address subscribe to all symbols and to one in turn, start replays at full speed, and get
snapshots, each as fast as the server lets them; who is refused or disconnected tries again at once.
"""

import asyncio
import contextlib
import json
import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp

from bus import Bus
from lab.bench.report import Report, machine, percentile
from lab.bench.viewers.live_server import LiveServer, live_server, load_process, pinned_bus
from lab.bench.viewers.raw_client import upgrade_request
from schemas import subjects
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol, TradeId, VenueId
from schemas.venue.market import Candle, Ticker
from schemas.venue.orders import OrderReport, OrderStatus, Trade

VENUE = VenueId("bench")
SYMBOLS = tuple(Symbol(f"{base}/USDT:USDT") for base in ("BTC", "ETH", "SOL"))
PRICE = Decimal(60000)
CANDLES = 1500
TRADES = 500
ORDERS = 40
LOAD = "lab.bench.viewers.doors_load"
OBSERVER_ADDRESS = "127.0.0.2"
TICKERS_PER_S = 4
HEALTH_EVERY_S = 0.05
BASELINE_S = 10.0
ATTACK_S = 30.0
_TICKER_TIME = re.compile(rb'"last":"(\d{19})"')


def run(attack_s: float = ATTACK_S) -> Report:
    """Measure an attack of `attack_s` seconds."""
    alone, attacked, load = asyncio.run(_run(attack_s))
    return Report(
        name="doors",
        machine=machine(),
        figures=attacked | {f"attacker_{name}": value for name, value in load.items()},
        baselines=alone,
        ratios={f"{name}_to_alone": attacked[name] / alone[name] for name in alone if name.endswith("_ms")},
    )


async def _run(attack_s: float) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with pinned_bus(Path(folder)) as bus:
            await _store_history(bus)
            async with live_server(bus.url, "--public") as server, _publishing(bus):
                alone = await _observe(server, BASELINE_S)
                async with load_process(LOAD, server.port) as load:
                    attacked = await _observe(server, attack_s)
                    return alone, attacked, json.loads(await load.request("report"))


async def _observe(server: LiveServer, duration_s: float) -> dict[str, float]:
    """Return percentiles of the time that `/health` takes, and of the age of tickers at a viewer."""
    connector = aiohttp.TCPConnector(local_addr=(OBSERVER_ADDRESS, 0))
    async with aiohttp.ClientSession(connector=connector) as session, _ticker_ages(server.port) as ages:
        health: list[float] = []
        cpu_s = server.cpu_s()
        end = time.perf_counter() + duration_s
        while (started := time.perf_counter()) < end:
            async with session.get(f"http://127.0.0.1:{server.port}/health") as response:
                assert response.status == 200, f"/health answers {response.status}"
                await response.read()
            health.append(time.perf_counter() - started)
            await asyncio.sleep(HEALTH_EVERY_S)
    assert len(ages) > duration_s, f"{len(ages)} tickers arrived in {duration_s:g} s"
    share = (server.cpu_s() - cpu_s) / duration_s
    found: dict[str, float] = {"tickers_received": len(ages), "server_cpu_share": share}
    for name, values in (("health", health), ("ticker", ages)):
        found |= {f"{name}_p{p}_ms": percentile(values, p / 100) * 1e3 for p in (50, 99)}
        found[f"{name}_max_ms"] = max(values) * 1e3
    return found


@asynccontextmanager
async def _ticker_ages(port: int) -> AsyncIterator[list[float]]:
    """Connect a viewer; yield the ages of its tickers in seconds, which grows while the context lasts."""
    ages: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(OBSERVER_ADDRESS, 0))
    writer.write(upgrade_request())

    async def read() -> None:
        started, data = time.time_ns(), b""
        while received := await reader.read(1 << 16):
            now = time.time_ns()
            data += received
            times = [int(found[1]) for found in _TICKER_TIME.finditer(data)]
            ages.extend((now - each) / 1e9 for each in times if each > started)  # not that of the snapshot
            data = data[-64:] if not _TICKER_TIME.search(data[-64:]) else b""

    reading = asyncio.create_task(read(), name="tickers")
    try:
        yield ages
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        writer.close()


@asynccontextmanager
async def _publishing(bus: Bus) -> AsyncIterator[None]:
    """Publish tickers whose last price is the time, in nanoseconds since the epoch."""

    async def publish() -> None:
        while True:
            for symbol in SYMBOLS:
                now = time.time_ns()
                ticker = Ticker(venue=VENUE, symbol=symbol, bid=PRICE, ask=PRICE, last=Decimal(now), time=now)
                await bus.send(subjects.ticker(VENUE, symbol), ticker)
            await asyncio.sleep(1 / TICKERS_PER_S)

    publishing = asyncio.create_task(publish(), name="publish")
    try:
        yield
    finally:
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing


async def _store_history(bus: Bus) -> None:
    minute = time.time_ns() // (60 * SECOND_NS) * 60 * SECOND_NS
    for symbol in SYMBOLS:
        for number in range(CANDLES):
            opened = minute - (CANDLES - number) * 60 * SECOND_NS
            await bus.send(subjects.closed_candle(VENUE, symbol, "1m"), _candle(symbol, opened, number))
        for number in range(TRADES):
            time_ns = minute - (TRADES - number) * SECOND_NS
            await bus.send(subjects.own_trade(VENUE, symbol), _trade(symbol, time_ns, number))
        for number in range(ORDERS):
            await bus.send(subjects.order_report(VENUE, symbol), _report(symbol, minute, number))
        ticker = Ticker(venue=VENUE, symbol=symbol, bid=PRICE, ask=PRICE, last=PRICE, time=minute)
        await bus.store(subjects.ticker(VENUE, symbol), ticker)


def _candle(symbol: Symbol, opened: int, number: int) -> Candle:
    return Candle(
        venue=VENUE,
        symbol=symbol,
        interval="1m",
        open_time=opened,
        open=PRICE,
        high=PRICE + 10,
        low=PRICE - 10,
        close=PRICE + number,
        volume=Decimal("12.5"),
        closed=True,
        time=opened,
    )


def _trade(symbol: Symbol, time_ns: int, number: int) -> Trade:
    return Trade(
        venue=VENUE,
        symbol=symbol,
        trade_id=TradeId(f"t{number}"),
        client_order_id=ClientOrderId(f"o{number}"),
        side=Side.BUY if number % 2 else Side.SELL,
        price=PRICE + number,
        quantity=Decimal("0.01"),
        fee=Decimal("0.1"),
        fee_asset="USDT",
        is_maker=True,
        time=time_ns,
    )


def _report(symbol: Symbol, time_ns: int, number: int) -> OrderReport:
    return OrderReport(
        venue=VENUE,
        symbol=symbol,
        client_order_id=ClientOrderId(f"open{number}"),
        status=OrderStatus.NEW,
        cumulative_quantity=Decimal(0),
        time=time_ns,
        side=Side.BUY,
        price=PRICE - number,
        quantity=Decimal("0.01"),
    )
