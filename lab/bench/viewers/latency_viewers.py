"""`bench latency --viewers N`: from a publish on the bus to its receipt by each of N viewers, with the engine trading.

Everything is real and a process of its own: the stack of `up` (nats-server syncing every write, simulated venue, market,
account, gateway, engine), and a live server on a core of its own. Beside what the stack says, 1000 tickers a second of 50
further symbols are published; each bears the time, and viewers who see all of these note how old it is. Tickers are
levels: where two of a symbol meet in the live server only the newer goes on. With 50 ms between two of one symbol they
should not, and whether each viewer got each of them is counted.
"""

import asyncio
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bus import Bus
from cli.config.file import DEFAULT_FILE
from cli.config.file import load as load_configuration
from cli.stack.data_dir import DataDir
from cli.stack.ports import any_free
from cli.stack.stack import StackSettings, running
from lab.bench import cores
from lab.bench.report import Report, machine
from lab.bench.viewers.live_server import live_server, load
from schemas import subjects
from schemas.codec import encode
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

VENUE = VenueId("bench")
SYMBOLS = [Symbol(f"BENCH{number:02d}/USDT:USDT") for number in range(50)]
MESSAGES_PER_S = 1000
WARM_UP_S = 5.0
MEASURED_S = 20.0
SETTLED_S = 1.0
PATH = "/ws?symbol=*&venue=bench"
MARKER = '"last":"'
TRADING_WITHIN_S = 60.0


def run(viewers: int) -> Report:
    """Measure with so many viewers."""
    figures = asyncio.run(_run(viewers))
    return Report(name="latency_viewers", machine=machine(), figures=figures, baselines={}, ratios={})


async def _run(viewers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder, cores.on(cores.OTHERS):
        data = DataDir(Path(folder))
        settings = StackSettings(load_configuration(DEFAULT_FILE), data, any_free(), any_free(), viewers=0)
        with data.hold():
            async with running(settings, lambda _: None) as stack:
                await _until_trading(stack.bus)
                steps = await stack.bus.last_sequence("JOURNAL")
                async with live_server(stack.bus.url) as server:
                    figures = await _measure(stack.bus, server.port, viewers)
                figures["steps_of_the_engine_meanwhile"] = await stack.bus.last_sequence("JOURNAL") - steps
    return figures


async def _measure(bus: Bus, port: int, viewers: int) -> dict[str, float]:
    await _publish(bus, 0)
    async with load("lab.bench.viewers.viewers_load", port, viewers, PATH, MARKER) as watching:
        await _tell(bus, WARM_UP_S)
        await asyncio.sleep(SETTLED_S)
        await watching.ask("forget")
        began = time.perf_counter()
        published = await _tell(bus, MEASURED_S)
        seconds = time.perf_counter() - began
        await asyncio.sleep(SETTLED_S)
        heard = json.loads(await watching.ask("report"))
    assert not heard["lost"], f"{heard['lost']} viewers were lost"
    return {
        "viewers": viewers,
        "published": published,
        "published_per_s": published / seconds,
        "received_per_viewer": heard["messages"] / viewers,
        "p50_ms": heard["p50_ms"],
        "p99_ms": heard["p99_ms"],
        "max_ms": heard["max_ms"],
    }


async def _tell(bus: Bus, seconds: float) -> int:
    due = time.perf_counter()
    messages = int(seconds * MESSAGES_PER_S)
    for number in range(messages):
        due += 1 / MESSAGES_PER_S
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        await _publish(bus, number % len(SYMBOLS))
    return messages


async def _publish(bus: Bus, which: int) -> None:
    symbol = SYMBOLS[which]
    now = time.time_ns()
    price = Decimal(now)
    ticker = Ticker(venue=VENUE, symbol=symbol, bid=price, ask=price, last=price, time=now)
    await bus.publish(subjects.ticker(VENUE, symbol), encode(ticker))


async def _until_trading(bus: Bus) -> None:
    async with asyncio.timeout(TRADING_WITHIN_S):
        while not await bus.last_sequence("ORDERS"):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
