"""`bench commit`: how long a commit takes with every write on disk before it is acknowledged, on one server and on three.

What is committed is a step as an engine commits it, one after the other, each with the sequence of the one before. The
baseline is a request over the same connection that stores nothing.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bus import Bus, EmbeddedServer, Journal, connect, embedded_cluster, provision
from cli.stack.ports import any_free
from lab.bench.report import Report, machine, percentile
from lab.bench.trading.engine import SYMBOL, VENUE
from lab.bench.trading.step import genuine_step
from schemas import subjects
from schemas.codec import encode
from schemas.subjects import Stream

WARM_UP = 50
NODES = 3


def run(commits: int = 2000) -> Report:
    """Measure `commits` commits, and as many requests, on each bus."""
    return asyncio.run(_run(commits))


async def _run(commits: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        root = Path(folder)
        one, asked_one = await _measure([EmbeddedServer(root / "bus")], commits)
        first, routes = any_free(NODES), any_free(NODES)
        servers = embedded_cluster(
            [root / f"bus-{number}" for number in range(1, NODES + 1)],
            range(first, first + NODES),
            range(routes, routes + NODES),
        )
        three, asked_three = await _measure(servers, commits)
    figures = {
        "commits": float(commits),
        "step_bytes": float(len(encode(genuine_step()))),
        **_figures("one_server", one),
        **_figures("three_servers", three),
    }
    return Report(
        name="commit",
        machine=machine(),
        figures=figures,
        baselines={
            **_figures("one_server_request", asked_one),
            **_figures("three_servers_request", asked_three),
        },
        ratios={"three_to_one_p50": figures["three_servers_p50_ms"] / figures["one_server_p50_ms"]},
    )


async def _measure(servers: Sequence[EmbeddedServer], commits: int) -> tuple[list[float], list[float]]:
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        url = ",".join(server.url for server in servers)
        bus = await stack.enter_async_context(connect(url, name="bench"))
        await provision(bus)
        return await _commits(bus, commits), await _requests(bus, commits)


async def _commits(bus: Bus, count: int) -> list[float]:
    journal = await Journal.open(bus, Stream.JOURNAL, subjects.step(VENUE, SYMBOL))
    step, taken = genuine_step(), []
    for _ in range(WARM_UP + count):
        started = time.perf_counter()
        await journal.commit(step)
        taken.append(time.perf_counter() - started)
    return taken[WARM_UP:]


async def _requests(bus: Bus, count: int) -> list[float]:
    taken = []
    for _ in range(WARM_UP + count):
        started = time.perf_counter()
        await bus.stream_state(Stream.JOURNAL)
        taken.append(time.perf_counter() - started)
    return taken[WARM_UP:]


def _figures(name: str, seconds: list[float]) -> dict[str, float]:
    return {f"{name}_p{int(share * 100)}_ms": percentile(seconds, share) * 1e3 for share in (0.5, 0.99)}
