"""`bench symbols`: latency from ticker to commit, with 50 symbols in an engine and with one.

Each symbol has 20 tickers per second, of which every tenth moves the grid by a level. Engine and bus (every write synced)
are real; the market and the venue's reports come from the benchmark itself, so that no other process uses the CPU.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, Message
from lab.bench.cpu import cpu_s
from lab.bench.instruments import PRICE_INTERVAL, START_PRICE, TICK_SIZE, VENUE, instruments
from lab.bench.processes import bus_servers, register_symbols, start_process
from lab.bench.report import Report, machine, percentiles_ms
from lab.bench.trading.random_walk import acknowledge
from schemas import subjects
from schemas.codec import encode
from schemas.units import Symbol
from schemas.venue.instruments import Instrument
from schemas.venue.market import Ticker
from schemas.venue.orders import Decision

MANY = 50
TICKS_PER_S = 20
TICKS_PER_LEVEL = 10
SLICES = 10
"""Groups of symbols, whose tickers are spread over the interval between two ticks."""
LEVELS = 5
"""Levels that the price rises, before it falls again."""
WARM_UP_S = 5.0
MANY_S = 30.0
ONE_S = 150.0
"""Longer than `MANY_S`, since one symbol decides a fiftieth as often."""


class _Step(msgspec.Struct, frozen=True, tag="Step"):
    """The fields of a step that are measured."""

    symbol: str
    time: int
    decisions: tuple[Decision, ...]


class _PortfolioStep(msgspec.Struct, frozen=True, tag="PortfolioStep"):
    """A step of the portfolio, on a subject that the same wildcard matches; ignored."""


def run(many: int = MANY, one_s: float = ONE_S, many_s: float = MANY_S) -> Report:
    """Measure one symbol for `one_s` and `many` symbols for `many_s` seconds."""
    return asyncio.run(_run(many, one_s, many_s))


async def _run(many: int, one_s: float, many_s: float) -> Report:
    one_delays, one_cpu = await _measure(1, one_s)
    many_delays, many_cpu = await _measure(many, many_s)
    figures = {
        "symbols": float(many),
        "decisions": float(len(many_delays)),
        **percentiles_ms("tick_to_decision", many_delays),
        "engine_cpu_percent": many_cpu,
    }
    baselines = {
        "one_symbol_decisions": float(len(one_delays)),
        **percentiles_ms("one_symbol", one_delays),
        "one_symbol_cpu_percent": one_cpu,
    }
    return Report(
        name="symbols",
        machine=machine(),
        figures=figures,
        baselines=baselines,
        ratios={
            "p50_to_one_symbol": figures["tick_to_decision_p50_ms"] / baselines["one_symbol_p50_ms"],
            "p99_to_one_symbol": figures["tick_to_decision_p99_ms"] / baselines["one_symbol_p99_ms"],
        },
    )


async def _measure(count: int, seconds: float) -> tuple[list[float], float]:
    """Return the delays of the decisions in seconds, and the engine's use of one core in percent."""
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with AsyncExitStack() as stack:
            bus = await stack.enter_async_context(bus_servers(EmbeddedServer(Path(folder) / "bus")))
            listed = instruments(count)
            await register_symbols(bus, listed)
            engine = await start_process(stack, "engine", "--bus-url", bus.url)
            market = _Market(bus, listed)
            stack.push_async_callback(await bus.subscribe("live.journal.*.*.step", market.on_step))
            await market.run(WARM_UP_S)
            market.delays.clear()
            cpu_before_s, started = cpu_s(engine.pid), time.perf_counter()
            await market.run(seconds)
            cpu_share = (cpu_s(engine.pid) - cpu_before_s) / (time.perf_counter() - started)
            assert market.delays, "the engine decided nothing"
            return market.delays, cpu_share * 100


class _Market:
    """Tickers for every symbol, and a venue that executes every decision at once."""

    def __init__(self, bus: Bus, listed: Sequence[Instrument]) -> None:
        self._bus = bus
        self._symbols = [each.symbol for each in listed]
        self._ticks = itertools.count()
        self._move_times: dict[str, int] = {}
        """By symbol: the time of the newest ticker at another level, until it is decided on."""
        self._steps: asyncio.Queue[_Step] = asyncio.Queue()
        self.delays: list[float] = []

    def on_step(self, message: Message) -> None:
        now = time.time_ns()
        step = msgspec.json.decode(message.data, type=_Step | _PortfolioStep)
        if isinstance(step, _PortfolioStep):
            return
        move_time = self._move_times.get(step.symbol)
        if move_time is not None and step.decisions and step.time >= move_time:
            del self._move_times[step.symbol]
            self.delays.append((now - move_time) / 1e9)
        self._steps.put_nowait(step)

    async def run(self, seconds: float) -> None:
        reporting = asyncio.create_task(self._report(), name="reports")
        clock = asyncio.get_running_loop().time
        end = due = clock()
        end += seconds
        while due < end:
            number = next(self._ticks)
            for group in range(SLICES):
                for index in range(group, len(self._symbols), SLICES):
                    await self._tick(index, number)
                due += 1 / TICKS_PER_S / SLICES
                await asyncio.sleep(max(0.0, due - clock()))
        reporting.cancel()
        await asyncio.wait([reporting])

    async def _tick(self, index: int, number: int) -> None:
        symbol = self._symbols[index]
        # The offset makes the symbols of one slice move in different ticks.
        moves, rest = divmod(number + index // SLICES, TICKS_PER_LEVEL)
        # A triangle wave from 0 to LEVELS.
        level = abs((moves + LEVELS) % (2 * LEVELS) - LEVELS)
        price, now = START_PRICE + PRICE_INTERVAL * level, time.time_ns()
        ticker = Ticker(venue=VENUE, symbol=symbol, bid=price - TICK_SIZE, ask=price, last=price, time=now)
        if rest == 0:
            self._move_times[symbol] = now
        await self._bus.publish(subjects.ticker(VENUE, symbol), encode(ticker))

    async def _report(self) -> None:
        while True:
            step = await self._steps.get()
            for decision in step.decisions:
                report = acknowledge(Symbol(step.symbol), decision, time.time_ns())
                if report is not None:
                    await self._bus.send(subjects.order_report(VENUE, report.symbol), report)
