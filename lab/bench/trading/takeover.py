"""`bench takeover`: time from SIGKILL of one of two engines to the other's claims.

The whole stack runs on the built-in market, every write synced. The symbols of the killed engine are those whose
journals the other one claims. The baseline is the restart of a single engine: SIGKILL to the claims of its successor.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bus import Message
from cli.config.file import DEFAULT_FILE, load
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import Stack, StackSettings, engine_names, run_stack
from cli.stack.supervisor import SupervisorTimings
from lab.bench.report import Report, machine

ROUNDS = 10
CLAIM_WINDOW_S = 8.0
"""How long claims are recorded; the killed engine is restarted only after that."""
REBALANCE_S = 8.0
"""Time for a restarted engine to get its share of the symbols."""


class _Claim(msgspec.Struct, frozen=True, tag="Step"):
    """The fields of a step that is a claim; a claim has no causes."""

    symbol: str
    epoch: int
    causes: tuple[msgspec.Raw, ...]


class _PortfolioStep(msgspec.Struct, frozen=True, tag="PortfolioStep"):
    """A step of the portfolio, on a subject that the same wildcard matches; ignored."""


def run(rounds: int = ROUNDS) -> Report:
    """Measure `rounds` kills with two engines, and half as many with one."""
    return asyncio.run(_run(rounds))


async def _run(rounds: int) -> Report:
    two = await _measure(2, rounds, restart_delay_s=CLAIM_WINDOW_S + 1)
    one = await _measure(1, max(1, rounds // 2), restart_delay_s=0.0)
    return Report(
        name="takeover",
        machine=machine(),
        figures={
            "takeovers": float(len(two)),
            "takeover_p50_s": statistics.median(two),
            "takeover_max_s": max(two),
        },
        baselines={"restart_p50_s": statistics.median(one), "restart_max_s": max(one)},
        ratios={"takeover_to_restart_p50": statistics.median(two) / statistics.median(one)},
    )


async def _measure(engines: int, rounds: int, restart_delay_s: float) -> list[float]:
    """Kill each engine in turn; return the seconds to each claim, over all rounds."""
    delays: list[float] = []
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with _stack(Path(folder), engines, restart_delay_s) as stack:
            for number in range(rounds):
                await asyncio.sleep(REBALANCE_S)
                name = engine_names(engines)[number % engines]
                delays += await _kill(stack, name)
                await asyncio.sleep(max(0.0, restart_delay_s - CLAIM_WINDOW_S))
    return delays


@asynccontextmanager
async def _stack(folder: Path, engines: int, restart_delay_s: float) -> AsyncIterator[Stack]:
    data = DataDir(folder)
    settings = StackSettings(
        configuration=load(DEFAULT_FILE),
        data=data,
        bus_port=find_free_port(),
        http_port=find_free_port(),
        engines=engines,
        timings=SupervisorTimings(first_delay_s=restart_delay_s or 0.001, healthy_after_s=0.0),
    )
    with data.hold():
        async with run_stack(settings, lambda _: None) as stack:
            yield stack


async def _kill(stack: Stack, name: str) -> list[float]:
    """Kill an engine, and return the seconds to the claim of each of its symbols."""
    claims: dict[str, float] = {}
    started = time.perf_counter()

    def on_step(message: Message) -> None:
        step = msgspec.json.decode(message.data, type=_Claim | _PortfolioStep)
        if isinstance(step, _Claim) and not step.causes:
            claims.setdefault(step.symbol, time.perf_counter() - started)

    unsubscribe = await stack.bus.subscribe("live.journal.*.*.step", on_step)
    started = time.perf_counter()
    stack.parts[name].kill()
    await asyncio.sleep(CLAIM_WINDOW_S)
    await unsubscribe()
    assert claims, f"no engine took over from {name} within {CLAIM_WINDOW_S:g} s"
    return list(claims.values())
