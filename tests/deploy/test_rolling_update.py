"""A rolling update of live servers behind a load balancer, as Kubernetes does it: no viewer misses an event."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from bus import Bus
from cli.stack.ports import find_free_port
from lab.chaos.load import EventGenerator, markets
from lab.chaos.viewer_clients import ViewerPool
from lab.chaos.viewers import stored_events, violations
from tests.deploy.balancer import Balancer, balancing

REPLICAS, VIEWERS = 2, 20
SHUTDOWN_DELAY_S = 1.0
TIMEOUT_S = 240.0
"""Of the test; process starts take several seconds each on a loaded machine."""


class LiveServer:
    """A live server process that reports to a balancer."""

    def __init__(self, balancer: Balancer, bus_url: str) -> None:
        self.port = find_free_port()
        self._balancer, self._bus_url = balancer, bus_url
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return when the balancer knows that it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "liveserver", f"--bus-url={self._bus_url}", f"--http-port={self.port}"),
            f"--shutdown-delay-s={SHUTDOWN_DELAY_S}",
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._balancer.add(self.port)
        await self._balancer.wait_ready(self.port)

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.terminate()
        return await self.process.wait()


@asynccontextmanager
async def running(*work: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


@pytest.mark.timeout(TIMEOUT_S + 30)
async def test_no_viewer_misses_an_event_during_a_rolling_update(bus: Bus) -> None:
    symbols = markets(5)
    generator = EventGenerator(bus, symbols, 200, random.Random(1))
    await generator.publish_tickers()
    async with asyncio.timeout(TIMEOUT_S), AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(balancing())
        old = [LiveServer(balancer, bus.url) for _ in range(REPLICAS)]
        new = [LiveServer(balancer, bus.url) for _ in range(REPLICAS)]
        pool = ViewerPool([f"127.0.0.1:{balancer.port}"], seed=1)
        viewers = [pool.add_viewer([symbols[i % 5]] if i % 2 else []) for i in range(VIEWERS)]
        for server in old:
            stack.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in old))
        await stack.enter_async_context(
            running(asyncio.create_task(generator.run()), asyncio.create_task(pool.run()))
        )
        await pool.wait_snapshots()
        for before, after in zip(old, new, strict=True):
            stack.push_async_callback(after.stop)
            await after.start()
            assert await before.stop() == 0
        generator.stop()
        await generator.wait_stopped()
        expected = await stored_events(bus)
        await pool.wait_cursors({stream: events[-1][0] for stream, events in expected.items() if events})

        assert (violations(viewers, expected), pool.differences, balancer.refused) == ([], [], 0)
        assert pool.resumed == pool.connections - VIEWERS >= VIEWERS
