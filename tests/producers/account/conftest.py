"""Fixtures: an account publisher without its private stream, so that only sweeps find anything."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from bus import Bus, FreeRunning, FromStart, Service, read
from bus.metrics import CollectorRegistry
from producers.account.publisher import AccountPublisher
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.codec import decode_as
from schemas.subjects import Stream
from schemas.venue.account import OpenOrders
from schemas.venue.orders import Trade
from tests.builders import SIM
from tests.producers.conftest import Serve
from tests.producers.simulated.examples import PERP, recording_settings

LastSweep = Callable[[], Awaitable[OpenOrders]]
NewPublisher = Callable[..., AccountPublisher]
StoredTrades = Callable[[], Awaitable[list[Trade]]]


@pytest.fixture
async def served(serve: Serve, tmp_path: Path) -> RunningVenue:
    """A recorded market of six minutes with four ticks each."""
    return await serve(recording_settings(tmp_path, ["100 101 99 100.5"] * 6))


@pytest.fixture
def new_publisher(service: Service, client: SimulatedVenue) -> NewPublisher:
    """Create publishers that sweep the perpetual, as restarted processes do."""

    def make(source: SimulatedVenue = client) -> AccountPublisher:
        service.registry = CollectorRegistry()
        publisher = AccountPublisher(service, source, SIM, FreeRunning())
        publisher.watch([PERP])
        return publisher

    return make


@pytest.fixture
def publisher(new_publisher: NewPublisher) -> AccountPublisher:
    return new_publisher()


@pytest.fixture
def last_sweep(bus: Bus) -> LastSweep:
    """Return the last sweep on the bus."""

    async def read() -> OpenOrders:
        stored = await bus.last(Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        assert stored is not None
        return decode_as(stored.data, OpenOrders)

    return read


@pytest.fixture
def stored_trades(bus: Bus) -> StoredTrades:
    """Return the trades of the perpetual in ORDERS, oldest first."""

    async def get() -> list[Trade]:
        trades: list[Trade] = []
        async with aclosing(
            read(bus, Stream.ORDERS, (subjects.own_trade(SIM, PERP),), FromStart())
        ) as batches:
            async for batch in batches:
                trades += [decode_as(message.data, Trade) for message in batch.messages]
                if batch.caught_up:
                    break
        return trades

    return get
