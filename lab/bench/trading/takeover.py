"""`bench takeover`: from the SIGKILL of one of two engines to the other's first commit for each of its symbols.

The whole stack runs on the built-in market, fsync on. A symbol was the dead engine's when the other one claims its journal.
The baseline is what an engine needs to start: from the SIGKILL of the only one to the claims of its successor.
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
from cli.stack.ports import any_free
from cli.stack.stack import Stack, StackSettings, engine_names, running
from cli.stack.supervisor import Patience
from lab.bench.report import Report, machine

ROUNDS = 10
CLAIMED_WITHIN_S = 8.0
"""So long is listened; the dead engine is started again only afterwards."""
BALANCED_AFTER_S = 8.0
"""The engine that came back gets its share again."""


class _Claim(msgspec.Struct, frozen=True, tag="Step"):
    symbol: str
    epoch: int
    causes: tuple[msgspec.Raw, ...]


def run(rounds: int = ROUNDS) -> Report:
    """Measure `rounds` deaths with two engines, and half as many with one."""
    return asyncio.run(_run(rounds))


async def _run(rounds: int) -> Report:
    two = await _deaths(2, rounds, again_after_s=CLAIMED_WITHIN_S + 1)
    one = await _deaths(1, max(1, rounds // 2), again_after_s=0.0)
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


async def _deaths(engines: int, rounds: int, again_after_s: float) -> list[float]:
    taken: list[float] = []
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        async with _stack(Path(folder), engines, again_after_s) as stack:
            for number in range(rounds):
                await asyncio.sleep(BALANCED_AFTER_S)
                name = engine_names(engines)[number % engines]
                taken += await _death(stack, name)
                await asyncio.sleep(max(0.0, again_after_s - CLAIMED_WITHIN_S))
    return taken


@asynccontextmanager
async def _stack(folder: Path, engines: int, again_after_s: float) -> AsyncIterator[Stack]:
    data = DataDir(folder)
    settings = StackSettings(
        configuration=load(DEFAULT_FILE),
        data=data,
        bus_port=any_free(),
        http_port=any_free(),
        engines=engines,
        patience=Patience(first=again_after_s, healthy=0.0),
    )
    with data.hold():
        async with running(settings, lambda _: None) as stack:
            yield stack


async def _death(stack: Stack, name: str) -> list[float]:
    """Kill an engine and return after how many seconds each of its symbols was claimed."""
    claims: dict[str, float] = {}
    started = time.perf_counter()

    def on_step(message: Message) -> None:
        step = msgspec.json.decode(message.data, type=_Claim)
        if not step.causes:
            claims.setdefault(step.symbol, time.perf_counter() - started)

    undo = await stack.bus.subscribe("live.journal.*.*.step", on_step)
    started = time.perf_counter()
    stack.parts[name].kill()
    await asyncio.sleep(CLAIMED_WITHIN_S)
    await undo()
    assert claims, f"nobody took over from {name} within {CLAIMED_WITHIN_S:g} s"
    return list(claims.values())
