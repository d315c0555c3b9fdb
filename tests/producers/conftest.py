"""Fixtures: a simulated venue in this process, its client, a service on a real bus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bus import Bus, FreeRunning, Service, open_service
from bus.metrics import CollectorRegistry
from producers.gateway.context import GatewayContext, GatewayMetrics
from producers.gateway.gateway import Gateway
from producers.simulated.app import RunningVenue, serving
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import VenueSettings
from schemas.units import SECOND_NS
from tests.builders import SIM
from tests.producers.gateways import new_context
from tests.producers.simulated.examples import PERP, recording_settings

Serve = Callable[[VenueSettings], Awaitable[RunningVenue]]
NewClient = Callable[..., Awaitable[SimulatedVenue]]
RunGateway = Callable[..., AbstractAsyncContextManager["asyncio.Task[None]"]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start venues that run until the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(settings: VenueSettings) -> RunningVenue:
            return await stack.enter_async_context(serving(settings))

        yield start


@pytest.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """Create clients of a venue's URL."""
    async with AsyncExitStack() as stack:

        async def make(url: str, timeout_s: float = 5.0) -> SimulatedVenue:
            return await stack.enter_async_context(SimulatedVenue(url, venue=SIM, timeout_s=timeout_s))

        yield make


@pytest.fixture
async def served(serve: Serve, tmp_path: Path) -> RunningVenue:
    """A recorded market: starts at 100, falls to 99, rises to 101, closes at 100.5; then a second candle like it."""
    return await serve(recording_settings(tmp_path, ["100 101 99 100.5", "100.5 101 99 100.5"]))


@pytest.fixture
async def client(served: RunningVenue, new_client: NewClient) -> SimulatedVenue:
    return await new_client(served.url)


@pytest.fixture
async def service(bus: Bus) -> AsyncIterator[Service]:
    """A service on the bus."""
    async with open_service("test", bus=bus.url, http_port=None) as opened:
        yield opened


@pytest.fixture
def run_gateway(service: Service, client: SimulatedVenue) -> RunGateway:
    """Run a gateway while the context lasts; it has taken over when the context begins."""

    @asynccontextmanager
    async def run(
        place_lifetime_ns: int = 10 * SECOND_NS,
        entry: SimulatedVenue = client,
        context: GatewayContext | None = None,
    ) -> AsyncIterator["asyncio.Task[None]"]:
        gateway = Gateway(
            service,
            entry,
            PERP,
            metrics=GatewayMetrics(CollectorRegistry()),
            gate=FreeRunning(),
            concurrency=8,
            place_lifetime_ns=place_lifetime_ns,
            context=context or new_context(service),
        )
        task = asyncio.create_task(gateway.run())
        following = asyncio.create_task(gateway.following.wait())
        await asyncio.wait((task, following), return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task

    return run
