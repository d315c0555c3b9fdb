"""`bench symbols`: from a tick to the committed decision, with 50 symbols in one engine process beside one symbol alone.

Each symbol has 20 ticks a second, of which every tenth moves the grid by a level. The engine and the bus (fsync on) are
the real ones; the market and the venue's answers are this benchmark's, so that no other process needs the processor.
"""

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, Message, connect, provision
from lab.bench.report import Report, machine, percentile
from lab.bench.rig import INTERVAL, enlist, instruments, start
from lab.bench.trading.engine import START, TICK, VENUE
from schemas import subjects
from schemas.codec import encode
from schemas.units import Symbol
from schemas.venue.instruments import Instrument
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder, Decision, OrderReport, OrderStatus, PlaceOrder

MANY = 50
TICKS_PER_S = 20
TICKS_A_LEVEL = 10
SLICES = 10
"""Ticks do not all come at once: so many groups of symbols take turns."""
LEVELS = 5
WARM_UP_S = 5.0
MANY_S = 30.0
ONE_S = 150.0
"""One symbol decides fifty times as seldom."""


class _Step(msgspec.Struct, frozen=True, tag="Step"):
    symbol: str
    time: int
    decisions: tuple[Decision, ...]


def run(many: int = MANY, one_s: float = ONE_S, many_s: float = MANY_S) -> Report:
    """Measure one symbol for `one_s` and `many` symbols for `many_s` seconds."""
    return asyncio.run(_run(many, one_s, many_s))


async def _run(many: int, one_s: float, many_s: float) -> Report:
    alone, cpu_alone = await _measure(1, one_s)
    among, cpu_among = await _measure(many, many_s)
    figures = {
        "symbols": float(many),
        "decisions": float(len(among)),
        "tick_to_decision_p50_ms": percentile(among, 0.5) * 1e3,
        "tick_to_decision_p99_ms": percentile(among, 0.99) * 1e3,
        "engine_cpu_percent": cpu_among,
    }
    baselines = {
        "one_symbol_decisions": float(len(alone)),
        "one_symbol_p50_ms": percentile(alone, 0.5) * 1e3,
        "one_symbol_p99_ms": percentile(alone, 0.99) * 1e3,
        "one_symbol_cpu_percent": cpu_alone,
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
    """Return the delays of the decisions in seconds, and the engine's share of one processor in percent."""
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(EmbeddedServer(Path(folder) / "bus"))
            bus = await stack.enter_async_context(connect(server.url, name="bench"))
            await provision(bus)
            listed = instruments(count)
            await enlist(bus, listed)
            engine = await start(stack, "engine", "--bus-url", server.url)
            market = _Market(bus, listed)
            stack.push_async_callback(await bus.subscribe("live.journal.*.*.step", market.on_step))
            await market.run(WARM_UP_S)
            market.delays.clear()
            busy, began = _processor_s(engine.pid), time.perf_counter()
            await market.run(seconds)
            share = (_processor_s(engine.pid) - busy) / (time.perf_counter() - began)
            assert market.delays, "the engine decided nothing"
            return market.delays, share * 100


class _Market:
    """Ticks for every symbol, and a venue that does at once what was decided."""

    def __init__(self, bus: Bus, listed: Sequence[Instrument]) -> None:
        self._bus = bus
        self._symbols = [each.symbol for each in listed]
        self._ticks = itertools.count()
        self._moved: dict[str, int] = {}
        self._decided: asyncio.Queue[_Step] = asyncio.Queue()
        self.delays: list[float] = []

    def on_step(self, message: Message) -> None:
        now = time.time_ns()
        step = msgspec.json.decode(message.data, type=_Step)
        moved = self._moved.get(step.symbol)
        if moved is not None and step.decisions and step.time >= moved:
            del self._moved[step.symbol]
            self.delays.append((now - moved) / 1e9)
        self._decided.put_nowait(step)

    async def run(self, seconds: float) -> None:
        answering = asyncio.create_task(self._answer(), name="answers")
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
        answering.cancel()
        await asyncio.wait([answering])

    async def _tick(self, index: int, number: int) -> None:
        symbol = self._symbols[index]
        # Those of one slice do not move in the same tick.
        moves, rest = divmod(number + index // SLICES, TICKS_A_LEVEL)
        # Up so many levels, and down again.
        level = abs((moves + LEVELS) % (2 * LEVELS) - LEVELS)
        price, now = START + INTERVAL * level, time.time_ns()
        ticker = Ticker(venue=VENUE, symbol=symbol, bid=price - TICK, ask=price, last=price, time=now)
        if rest == 0:
            self._moved[symbol] = now
        await self._bus.publish(subjects.ticker(VENUE, symbol), encode(ticker))

    async def _answer(self) -> None:
        while True:
            step = await self._decided.get()
            for decision in step.decisions:
                report = _report(Symbol(step.symbol), decision)
                if report is not None:
                    await self._bus.send(subjects.order_report(VENUE, report.symbol), report)


def _report(symbol: Symbol, decision: Decision) -> OrderReport | None:
    match decision:
        case PlaceOrder():
            status = OrderStatus.NEW
        case CancelOrder():
            status = OrderStatus.CANCELED
        case _:
            return None
    return OrderReport(
        venue=VENUE,
        symbol=symbol,
        client_order_id=decision.client_order_id,
        status=status,
        cumulative_quantity=Decimal(0),
        time=time.time_ns(),
    )


def _processor_s(pid: int) -> float:
    """Return how many seconds a process has used; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
