"""`bench latency`: latency from ticker to intent on the bus, beside plain round trips.

All processes are real: nats-server (every write synced), simulated venue, engine and gateway. The benchmark publishes
the tickers itself, one after the other; each moves the grid by one level.

The baselines have the same two hops without a decision: a process that answers a stored ticker by a stored message
(synced, like the step and the intent), and a request over the bus.
"""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

from bus import Bus, EmbeddedServer, Message
from lab.bench.instruments import INSTRUMENT, PRICE_INTERVAL, START_PRICE, SYMBOL, TICK_SIZE, VENUE
from lab.bench.processes import bus_servers, register_symbols, start_process, start_venue
from lab.bench.report import Report, machine, percentiles_ms
from lab.bench.trading.echo import REQUEST_SUBJECT
from schemas import subjects
from schemas.codec import decode, encode
from schemas.engine.events import AlertRaised
from schemas.venue.market import Ticker
from schemas.venue.orders import OrderIntent

WARM_UP = 50
"""Round trips before those that are measured."""
ANSWER_TIMEOUT_S = 30.0
PAUSE_S = 0.03
"""Time between tickers, in which the effects of the last one (orders, reports, further steps) should end."""
ECHO_TICKER = "market.echo.ECHO.ticker"
ECHO_ANSWER = "engine.echo.ECHO.alert"
TICKER = subjects.ticker(VENUE, SYMBOL)
INTENT = subjects.order_intent(VENUE, SYMBOL)


def run(ticks: int = 1000) -> Report:
    """Measure `ticks` decisions."""
    return asyncio.run(_run(ticks))


async def _run(ticks: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with _stack(Path(folder)) as bus:
            decisions = await _time_round_trips(bus, TICKER, f"live.{INTENT}", ticks)
            echoes = await _time_round_trips(bus, ECHO_TICKER, f"live.{ECHO_ANSWER}", ticks)
            requests = await _time_requests(bus, ticks)
    figures = {"ticks": float(ticks), **percentiles_ms("tick_to_intent", decisions)}
    baselines = {**percentiles_ms("stored_round_trip", echoes), **percentiles_ms("request", requests)}
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
        bus = await stack.enter_async_context(bus_servers(EmbeddedServer(folder / "bus")))
        venue_url = await start_venue(stack, folder, [INSTRUMENT])
        await register_symbols(bus, [INSTRUMENT])
        bus_option = ("--bus-url", bus.url)
        await start_process(stack, "engine", *bus_option)
        await start_process(stack, "producers", "gateway", *bus_option, "--venue-url", venue_url)
        await start_process(stack, "lab.bench.trading.echo", bus.url, ECHO_TICKER, ECHO_ANSWER)
        yield bus


async def _time_round_trips(bus: Bus, ticker_subject: str, answer_subject: str, count: int) -> list[float]:
    """Return the seconds from each ticker to the first message of its time or later."""
    answer_times: asyncio.Queue[int] = asyncio.Queue()
    unsubscribe = await bus.subscribe(
        answer_subject, lambda message: answer_times.put_nowait(_time_of(message))
    )
    durations = []
    prices = itertools.cycle(_prices())
    for index in range(count + WARM_UP):
        ticker = _ticker(next(prices))
        started = time.perf_counter()
        await bus.publish(ticker_subject, encode(ticker))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while await answer_times.get() < ticker.time:
                pass
        if index >= WARM_UP:
            durations.append(time.perf_counter() - started)
        await asyncio.sleep(PAUSE_S)
    await unsubscribe()
    return durations


def _time_of(message: Message) -> int:
    event = decode(message.data)
    assert isinstance(event, OrderIntent | AlertRaised)
    return event.time


def _prices() -> list[Decimal]:
    """Return prices that rise and fall by one grid level each."""
    rising = [START_PRICE + PRICE_INTERVAL * level for level in range(5)]
    return rising + rising[-2:0:-1]


def _ticker(price: Decimal) -> Ticker:
    now = time.time_ns()
    return Ticker(venue=VENUE, symbol=SYMBOL, bid=price - TICK_SIZE, ask=price, last=price, time=now)


async def _time_requests(bus: Bus, count: int) -> list[float]:
    durations = []
    for index in range(count + WARM_UP):
        started = time.perf_counter()
        await bus.request(REQUEST_SUBJECT, b"tick")
        if index >= WARM_UP:
            durations.append(time.perf_counter() - started)
        await asyncio.sleep(PAUSE_S)
    return durations
