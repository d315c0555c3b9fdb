"""`bench commit`: latency of a synced journal commit, on one bus server and on three.

Steps are committed one after the other, each with the sequence of the one before, as an engine does. The baseline is a
request over the same connection that stores nothing.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bus import Bus, EmbeddedServer, Journal, embedded_cluster
from cli.stack.ports import find_free_port
from lab.bench.instruments import SYMBOL, VENUE
from lab.bench.processes import bus_servers
from lab.bench.report import Report, machine, percentiles_ms
from lab.bench.trading.random_walk import realistic_step
from schemas import subjects
from schemas.codec import encode
from schemas.subjects import Stream

WARM_UP = 50
"""Commits before those that are measured."""
CLUSTER_SIZE = 3


def run(commits: int = 2000) -> Report:
    """Measure `commits` commits, and as many requests, on each bus."""
    return asyncio.run(_run(commits))


async def _run(commits: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        root = Path(folder)
        one_commits, one_requests = await _measure([EmbeddedServer(root / "bus")], commits)
        first, routes = find_free_port(CLUSTER_SIZE), find_free_port(CLUSTER_SIZE)
        servers = embedded_cluster(
            [root / f"bus-{number}" for number in range(1, CLUSTER_SIZE + 1)],
            range(first, first + CLUSTER_SIZE),
            range(routes, routes + CLUSTER_SIZE),
        )
        three_commits, three_requests = await _measure(servers, commits)
    figures = {
        "commits": float(commits),
        "step_bytes": float(len(encode(realistic_step()))),
        **percentiles_ms("one_server", one_commits),
        **percentiles_ms("three_servers", three_commits),
    }
    return Report(
        name="commit",
        machine=machine(),
        figures=figures,
        baselines={
            **percentiles_ms("one_server_request", one_requests),
            **percentiles_ms("three_servers_request", three_requests),
        },
        ratios={"three_to_one_p50": figures["three_servers_p50_ms"] / figures["one_server_p50_ms"]},
    )


async def _measure(servers: Sequence[EmbeddedServer], commits: int) -> tuple[list[float], list[float]]:
    """Return the seconds of each commit, and of each request."""
    async with bus_servers(*servers) as bus:
        return await _time_commits(bus, commits), await _time_requests(bus, commits)


async def _time_commits(bus: Bus, count: int) -> list[float]:
    journal = await Journal.open(bus, Stream.JOURNAL, subjects.step(VENUE, SYMBOL))
    step = realistic_step()
    return await _time_calls(lambda: journal.commit(step), count)


async def _time_requests(bus: Bus, count: int) -> list[float]:
    return await _time_calls(lambda: bus.stream_state(Stream.JOURNAL), count)


async def _time_calls(call: Callable[[], Awaitable[object]], count: int) -> list[float]:
    durations = []
    for _ in range(WARM_UP + count):
        started = time.perf_counter()
        await call()
        durations.append(time.perf_counter() - started)
    return durations[WARM_UP:]
