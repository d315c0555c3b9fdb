"""The account publisher: the private stream, and what a sweep finds that it missed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec

from bus import Bus, FreeRunning, Registry, Service
from bus.metrics import CollectorRegistry
from producers.account.publisher import AccountPublisher
from producers.simulated.app import Served
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FundingSettings
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side, Symbol
from schemas.venue.account import OpenOrders, Position
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import OrderReport, OrderStatus, Trade
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, SIM, decision, new_settings
from tests.producers.streams import first, until
from tests.schemas.examples import EXAMPLES, TICKER

TAKE = decision(Side.BUY, "150", "t", post_only=False)


@asynccontextmanager
async def publishing(here: Service, source: SimulatedVenue) -> AsyncIterator[AccountPublisher]:
    publisher = AccountPublisher(here, source, SIM, FreeRunning())
    await publisher.recall([PERP])
    task = asyncio.create_task(publisher.follow())
    try:
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(BaseException):
            await task


async def test_what_the_private_stream_tells_is_on_the_bus(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    async with publishing(here, client):
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, TAKE)
        (trade,) = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        reports = await first(bus, Stream.ORDERS, subjects.order_report(SIM, PERP), 2)
    assert isinstance(trade, Trade)
    assert trade.client_order_id == "t"
    assert [r.status for r in reports if isinstance(r, OrderReport)] == [OrderStatus.NEW, OrderStatus.FILLED]


async def test_a_trade_that_nobody_listened_to_is_found_by_the_sweep(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    await client.place(PERP, TAKE)
    async with publishing(here, client):
        (trade,) = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        await until(bus, Stream.ACCOUNT, subjects.position(SIM, PERP), lambda events: _quantity(events) == 1)
    assert isinstance(trade, Trade)


async def test_a_trade_is_published_once_whatever_is_swept(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    async with publishing(here, client) as publisher:
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, TAKE)
        await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        await publisher.sweep()
    here.registry = CollectorRegistry()
    async with publishing(here, client) as publisher:
        await publisher.sweep()
        await client.place(PERP, decision(Side.BUY, "150", "u", post_only=False))
        trades = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP), 2)
    assert [trade.client_order_id for trade in trades if isinstance(trade, Trade)] == ["t", "u"]


async def test_nonsense_among_the_sweeps_is_read_past(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    level = subjects.open_orders(SIM, PERP)
    async with publishing(here, client):
        await first(bus, Stream.ACCOUNT, level)
    await bus.store(level, TICKER)
    here.registry = CollectorRegistry()
    async with publishing(here, client):
        await client.place(PERP, TAKE)
        assert await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))


async def test_a_sweep_tells_all_open_orders_and_what_they_include(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    async with publishing(here, client) as publisher:
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, decision(Side.BUY, "99", "mine"))
        await client.place(PERP, decision(Side.BUY, "98", "by-hand"))
        await first(bus, Stream.ORDERS, subjects.order_report(SIM, PERP), 2)
        await publisher.sweep()
        swept = await until(
            bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP), lambda events: len(_orders(events)) == 2
        )
        last = await bus.last(Stream.ORDERS, subjects.order_report(SIM, PERP))
    level = swept[-1]
    assert isinstance(level, OpenOrders)
    assert last is not None
    assert level.includes == last.sequence


def _quantity(events: Sequence[object]) -> object:
    last = events[-1]
    return last.quantity if isinstance(last, Position) else None


def _orders(events: Sequence[object]) -> tuple[object, ...]:
    last = events[-1]
    return last.orders if isinstance(last, OpenOrders) else ()


async def test_it_tells_whether_the_private_stream_is_up(
    bus: Bus, here: Service, client: SimulatedVenue, served: Served
) -> None:
    async with publishing(here, client):
        await first(bus, Stream.ACCOUNT, subjects.account_feed(SIM), 2)
        async with aiohttp.ClientSession() as session:
            await session.post(f"{served.url}/admin/disconnect?stream=account")
        told = await first(bus, Stream.ACCOUNT, subjects.account_feed(SIM), 4)
    states = [each.state for each in told if isinstance(each, FeedChanged)]
    assert states == [FeedState.DOWN, FeedState.UP, FeedState.DOWN, FeedState.UP]


async def test_the_private_stream_is_up_after_the_first_sweep(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    async with publishing(here, client):
        await until(bus, Stream.ACCOUNT, subjects.account_feed(SIM), lambda told: _is_up(told[-1]))
        swept = await bus.last(Stream.ACCOUNT, subjects.position(SIM, PERP))
        up = await bus.last(Stream.ACCOUNT, subjects.account_feed(SIM))
    assert swept is not None
    assert up is not None
    assert swept.sequence < up.sequence


def _is_up(event: object) -> bool:
    return isinstance(event, FeedChanged) and event.state is FeedState.UP


async def test_what_joins_the_roster_is_swept_and_what_leaves_it_is_not(
    bus: Bus, here: Service, client: SimulatedVenue
) -> None:
    publisher = AccountPublisher(here, client, SIM, FreeRunning())
    roster = Registry(bus, "symbols")
    entry = next(event for event in EXAMPLES if isinstance(event, SymbolEntry))
    tasks = [
        asyncio.create_task(publisher.follow_roster()),
        asyncio.create_task(publisher.sweep_now_and_then(3600)),
    ]
    key = subjects.registry_key(SIM, PERP)
    revision = await roster.create(key, msgspec.structs.replace(entry, venue=SIM, symbol=PERP))
    await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
    assert revision is not None
    forgotten = asyncio.Event()
    forget = publisher.forget

    async def forget_and_tell(symbol: Symbol) -> None:
        await forget(symbol)
        forgotten.set()

    publisher.forget = forget_and_tell  # type: ignore[method-assign]
    await roster.delete(key, revision)
    await forgotten.wait()
    assert publisher.status()["symbols"] == []
    for task in tasks:
        task.cancel()


async def test_funding_that_nobody_listened_to_is_found_by_the_sweep_and_published_once(
    bus: Bus, here: Service, serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    funding = FundingSettings(rate=Decimal("0.0001"), interval=SECOND_NS)
    served = await serve(new_settings(tmp_path, funding=funding))
    client = await new_client(served.url)
    await client.place(PERP, decision(Side.BUY, "150", "t", post_only=False))
    for _ in range(12):
        served.venue.tick()
    payments = served.venue.all_fundings()
    async with publishing(here, client) as publisher:
        found = await first(bus, Stream.ORDERS, subjects.funding(SIM, PERP), len(payments))
        await publisher.sweep()
    here.registry = CollectorRegistry()
    async with publishing(here, client) as publisher:
        await publisher.sweep()
        for _ in range(8):
            served.venue.tick()
        more = served.venue.all_fundings()
        told = await first(bus, Stream.ORDERS, subjects.funding(SIM, PERP), len(more))
    assert found == payments
    assert told == more
