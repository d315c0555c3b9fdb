"""`bench latency --viewers N`: latency from publishing a ticker to its receipt by N viewers.

All processes are real: the stack of `up` (nats-server with every write synced, simulated venue, market, account, gateway,
engine), and a live server on a core of its own. While the stack trades, 1000 tickers per second of 50 further symbols are
published; each carries its time of publication as its price, from which viewers of all these symbols compute its age.
The live server keeps only the newest ticker of a symbol, but 50 ms between two of one symbol should suffice to deliver
every one: `received_per_viewer` shows whether it did.
"""

import asyncio
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bus import Bus
from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import StackSettings, run_stack
from lab.bench.cpu import OTHER_CORES, pinned_to
from lab.bench.report import Report, machine
from lab.bench.viewers.live_server import live_server, load_process
from schemas import subjects
from schemas.codec import encode
from schemas.units import Symbol, VenueId
from schemas.venue.market import Ticker

VENUE = VenueId("bench")
SYMBOLS = [Symbol(f"BENCH{number:02d}/USDT:USDT") for number in range(50)]
MESSAGES_PER_S = 1000
WARM_UP_S = 5.0
MEASURED_S = 20.0
DELIVERY_S = 1.0
"""Time for the last tickers to arrive."""
PATH = "/ws?symbol=*&venue=bench"
MARKER = '"last":"'
"""The bytes before a ticker's time of publication."""
TRADING_TIMEOUT_S = 60.0


def run(viewers: int) -> Report:
    """Measure with `viewers` viewers."""
    figures = asyncio.run(_run(viewers))
    return Report(name="latency_viewers", machine=machine(), figures=figures, baselines={}, ratios={})


async def _run(viewers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder, pinned_to(OTHER_CORES):
        data = DataDir(Path(folder))
        settings = StackSettings(load(DEFAULT_FILE), data, find_free_port(), find_free_port(), viewers=0)
        with data.hold():
            async with run_stack(settings, lambda _: None) as stack:
                await _wait_until_trading(stack.bus)
                steps = await stack.bus.last_sequence("JOURNAL")
                async with live_server(stack.bus.url, "--bus-context", stack.bus.context.source) as server:
                    figures = await _measure(stack.bus, server.port, viewers)
                figures["steps_of_the_engine_meanwhile"] = await stack.bus.last_sequence("JOURNAL") - steps
    return figures


async def _measure(bus: Bus, port: int, viewers: int) -> dict[str, float]:
    await _publish(bus, 0)
    async with load_process("lab.bench.viewers.viewers_load", port, viewers, PATH, MARKER) as viewer_load:
        await _publish_steadily(bus, WARM_UP_S)
        await asyncio.sleep(DELIVERY_S)
        await viewer_load.request("reset")
        started = time.perf_counter()
        published = await _publish_steadily(bus, MEASURED_S)
        seconds = time.perf_counter() - started
        await asyncio.sleep(DELIVERY_S)
        received = json.loads(await viewer_load.request("report"))
    assert not received["lost"], f"{received['lost']} viewers lost their connection"
    return {
        "viewers": viewers,
        "published": published,
        "published_per_s": published / seconds,
        "received_per_viewer": received["messages"] / viewers,
        "p50_ms": received["p50_ms"],
        "p99_ms": received["p99_ms"],
        "max_ms": received["max_ms"],
    }


async def _publish_steadily(bus: Bus, seconds: float) -> int:
    """Publish `MESSAGES_PER_S` tickers per second; return their number."""
    due = time.perf_counter()
    messages = int(seconds * MESSAGES_PER_S)
    for number in range(messages):
        due += 1 / MESSAGES_PER_S
        early_s = due - time.perf_counter()
        if early_s > 0:
            await asyncio.sleep(early_s)
        await _publish(bus, number % len(SYMBOLS))
    return messages


async def _publish(bus: Bus, index: int) -> None:
    symbol = SYMBOLS[index]
    now = time.time_ns()
    price = Decimal(now)
    ticker = Ticker(venue=VENUE, symbol=symbol, bid=price, ask=price, last=price, time=now)
    await bus.publish(subjects.ticker(VENUE, symbol), encode(ticker))


async def _wait_until_trading(bus: Bus) -> None:
    async with asyncio.timeout(TRADING_TIMEOUT_S):
        while not await bus.last_sequence("ORDERS"):  # noqa: ASYNC110 - written by other processes
            await asyncio.sleep(0.1)
