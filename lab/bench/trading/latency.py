"""`bench latency`: from a tick on the bus to the intent on the bus, beside the bus's own round trips in the same run.

The parts are the real ones, each a process of its own: nats-server (fsync on every write), the simulated venue, an engine
and a gateway. Only the market is this benchmark: its tickers each move the grid by one level, one after the other.

The baselines have the same two hops and no deciding: an echo process that answers a stored tick with a stored message
(fsynced, like the step and the intent), and a plain request over the bus.
"""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

from bus import Bus, EmbeddedServer, Message, connect, provision
from lab.bench.report import Report, machine, percentile
from lab.bench.rig import enlist, start, start_venue
from lab.bench.trading.engine import INSTRUMENT, START, SYMBOL, TICK, VENUE
from schemas import subjects
from schemas.codec import decode, encode
from schemas.engine.events import AlertRaised
from schemas.venue.market import Ticker
from schemas.venue.orders import OrderIntent

WARM_UP = 50
PATIENCE_S = 30.0
PAUSE_S = 0.03
"""Between ticks: what the last one led to (orders, reports, further steps) is over by then."""
ECHO_TICK = "market.echo.ECHO.ticker"
ECHO_ANSWER = "engine.echo.ECHO.alert"
TICK_SUBJECT = subjects.ticker(VENUE, SYMBOL)
INTENT = subjects.order_intent(VENUE, SYMBOL)


def run(ticks: int = 1000) -> Report:
    """Measure `ticks` decisions."""
    return asyncio.run(_run(ticks))


async def _run(ticks: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with _stack(Path(folder)) as bus:
            decided = await _round_trips(bus, TICK_SUBJECT, f"live.{INTENT}", ticks)
            stored = await _round_trips(bus, ECHO_TICK, f"live.{ECHO_ANSWER}", ticks)
            asked = await _requests(bus, ticks)
    figures = {
        "ticks": float(ticks),
        "tick_to_intent_p50_ms": _ms(decided, 0.5),
        "tick_to_intent_p99_ms": _ms(decided, 0.99),
    }
    baselines = {
        "stored_round_trip_p50_ms": _ms(stored, 0.5),
        "stored_round_trip_p99_ms": _ms(stored, 0.99),
        "request_p50_ms": _ms(asked, 0.5),
        "request_p99_ms": _ms(asked, 0.99),
    }
    return Report(
        name="latency",
        machine=machine(),
        figures=figures,
        baselines=baselines,
        ratios={
            "to_stored_round_trip_p50": figures["tick_to_intent_p50_ms"]
            / baselines["stored_round_trip_p50_ms"],
            "to_stored_round_trip_p99": figures["tick_to_intent_p99_ms"]
            / baselines["stored_round_trip_p99_ms"],
            "to_request_p50": figures["tick_to_intent_p50_ms"] / baselines["request_p50_ms"],
        },
    )


@contextlib.asynccontextmanager
async def _stack(folder: Path) -> AsyncIterator[Bus]:
    async with contextlib.AsyncExitStack() as stack:
        server = EmbeddedServer(folder / "bus")
        await stack.enter_async_context(server)
        bus = await stack.enter_async_context(connect(server.url, name="bench"))
        await provision(bus)
        venue_url = await start_venue(stack, folder, [INSTRUMENT])
        await enlist(bus, [INSTRUMENT])
        common = ("--bus-url", server.url)
        await start(stack, "engine", *common)
        await start(stack, "producers", "gateway", *common, "--venue-url", venue_url)
        await start(stack, "lab.bench.trading.echo", server.url, ECHO_TICK, ECHO_ANSWER)
        yield bus


async def _round_trips(bus: Bus, start: str, end: str, count: int) -> list[float]:
    """Return seconds from a ticker to the message that bears its time, one after the other."""
    answers: asyncio.Queue[int] = asyncio.Queue()
    undo = await bus.subscribe(end, lambda message: answers.put_nowait(_time_of(message)))
    taken = []
    prices = itertools.cycle(_prices())
    for index in range(count + WARM_UP):
        ticker = _ticker(next(prices))
        started = time.perf_counter()
        await bus.publish(start, encode(ticker))
        async with asyncio.timeout(PATIENCE_S):
            while await answers.get() < ticker.time:
                pass
        if index >= WARM_UP:
            taken.append(time.perf_counter() - started)
        await asyncio.sleep(PAUSE_S)
    await undo()
    return taken


def _time_of(message: Message) -> int:
    event = decode(message.data)
    assert isinstance(event, OrderIntent | AlertRaised)
    return event.time


def _prices() -> list[Decimal]:
    """Return prices that go up and down, each nearest to another level than the one before."""
    up = [START + 60 * level for level in range(5)]
    return up + up[-2:0:-1]


def _ticker(price: Decimal) -> Ticker:
    now = time.time_ns()
    return Ticker(venue=VENUE, symbol=SYMBOL, bid=price - TICK, ask=price, last=price, time=now)


async def _requests(bus: Bus, count: int) -> list[float]:
    taken = []
    for index in range(count + WARM_UP):
        started = time.perf_counter()
        await bus.request("bench.echo", b"tick")
        if index >= WARM_UP:
            taken.append(time.perf_counter() - started)
        await asyncio.sleep(PAUSE_S)
    return taken


def _ms(seconds: list[float], share: float) -> float:
    return percentile(seconds, share) * 1e3
