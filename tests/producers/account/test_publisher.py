"""Account publisher: the private stream, and sweeps that find what it missed."""

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
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FundingSettings
from schemas import subjects
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.traceparent import new_trace
from schemas.units import SECOND_NS, Side
from schemas.venue.account import OpenOrders, Position
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.orders import OrderReport, OrderStatus, Trade
from tests.builders import SIM, TICKER
from tests.producers.account.test_order_traces import intent
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, new_settings
from tests.producers.streams import first, until
from tests.schemas.examples import EXAMPLES

TAKE = decision(Side.BUY, "150", "t", post_only=False)


@asynccontextmanager
async def publishing(service: Service, source: SimulatedVenue) -> AsyncIterator[AccountPublisher]:
    publisher = AccountPublisher(service, source, SIM, FreeRunning())
    publisher.watch([PERP])
    task = asyncio.create_task(publisher.follow())
    try:
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(BaseException):
            await task


async def test_events_of_the_private_stream_are_published(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    async with publishing(service, client):
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, TAKE)
        (trade,) = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        reports = await first(bus, Stream.ORDERS, subjects.order_report(SIM, PERP), 2)
    assert isinstance(trade, Trade)
    assert trade.client_order_id == "t"
    assert [r.status for r in reports if isinstance(r, OrderReport)] == [OrderStatus.NEW, OrderStatus.FILLED]


async def test_reports_and_trades_have_the_trace_of_the_intent(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    async with publishing(service, client) as publisher:
        publisher.traces.on_intent(intent("t", new_trace("step")))
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, TAKE)
        found = (subjects.order_report(SIM, PERP), subjects.own_trade(SIM, PERP))
        await first(bus, Stream.ORDERS, found[0], 2)
        await first(bus, Stream.ORDERS, found[1])
        stored = [await bus.last(Stream.ORDERS, subject) for subject in found]
    assert [each and each.headers["traceparent"] for each in stored] == [new_trace("step")] * 2


async def test_a_missed_trade_is_found_by_the_sweep(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    await client.place(PERP, TAKE)
    async with publishing(service, client):
        (trade,) = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        await until(bus, Stream.ACCOUNT, subjects.position(SIM, PERP), lambda events: _quantity(events) == 1)
    assert isinstance(trade, Trade)


async def test_a_trade_is_published_once_despite_sweeps(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    async with publishing(service, client) as publisher:
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, TAKE)
        await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        await publisher.sweep()
    service.registry = CollectorRegistry()
    async with publishing(service, client) as publisher:
        await publisher.sweep()
        await client.place(PERP, decision(Side.BUY, "150", "u", post_only=False))
        trades = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP), 2)
    assert [trade.client_order_id for trade in trades if isinstance(trade, Trade)] == ["t", "u"]


async def test_an_undecodable_sweep_is_skipped(bus: Bus, service: Service, client: SimulatedVenue) -> None:
    subject = subjects.open_orders(SIM, PERP)
    async with publishing(service, client):
        await first(bus, Stream.ACCOUNT, subject)
    await bus.store(subject, TICKER)
    service.registry = CollectorRegistry()
    async with publishing(service, client):
        await client.place(PERP, TAKE)
        assert await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))


async def test_a_sweep_publishes_all_open_orders_and_the_order_events_they_include(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    async with publishing(service, client) as publisher:
        await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
        await client.place(PERP, decision(Side.BUY, "99", "mine"))
        await client.place(PERP, decision(Side.BUY, "98", "by-hand"))
        await first(bus, Stream.ORDERS, subjects.order_report(SIM, PERP), 2)
        await publisher.sweep()
        swept = await until(
            bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP), lambda events: len(_orders(events)) == 2
        )
        last = await bus.last(Stream.ORDERS, subjects.order_report(SIM, PERP))
    open_orders = swept[-1]
    assert isinstance(open_orders, OpenOrders)
    assert last is not None
    assert open_orders.includes == last.sequence


def _quantity(events: Sequence[object]) -> object:
    last = events[-1]
    return last.quantity if isinstance(last, Position) else None


def _orders(events: Sequence[object]) -> tuple[object, ...]:
    last = events[-1]
    return last.orders if isinstance(last, OpenOrders) else ()


async def test_the_state_of_the_private_stream_is_published(
    bus: Bus, service: Service, client: SimulatedVenue, served: RunningVenue
) -> None:
    async with publishing(service, client):
        await first(bus, Stream.ACCOUNT, subjects.account_feed(SIM), 2)
        async with aiohttp.ClientSession() as session:
            await session.post(f"{served.url}/admin/disconnect?stream=account")
        events = await first(bus, Stream.ACCOUNT, subjects.account_feed(SIM), 4)
    states = [each.state for each in events if isinstance(each, FeedChanged)]
    assert states == [FeedState.DOWN, FeedState.UP, FeedState.DOWN, FeedState.UP]


async def test_the_private_stream_is_up_after_the_first_sweep(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    async with publishing(service, client):
        await until(bus, Stream.ACCOUNT, subjects.account_feed(SIM), lambda events: _is_up(events[-1]))
        swept = await bus.last(Stream.ACCOUNT, subjects.position(SIM, PERP))
        up = await bus.last(Stream.ACCOUNT, subjects.account_feed(SIM))
    assert swept is not None
    assert up is not None
    assert swept.sequence < up.sequence


def _is_up(event: object) -> bool:
    return isinstance(event, FeedChanged) and event.state is FeedState.UP


async def test_added_symbols_are_swept_and_removed_ones_are_not(
    bus: Bus, service: Service, client: SimulatedVenue
) -> None:
    publisher = AccountPublisher(service, client, SIM, FreeRunning())
    roster = Registry(bus, "symbols")
    entry = next(event for event in EXAMPLES if isinstance(event, SymbolEntry))
    tasks = [
        asyncio.create_task(publisher.follow_roster()),
        asyncio.create_task(publisher.run_sweeps(3600)),
    ]
    key = subjects.registry_key(SIM, PERP)
    revision = await roster.create(key, msgspec.structs.replace(entry, venue=SIM, symbol=PERP))
    await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP))
    assert revision is not None
    await roster.delete(key, revision)
    while publisher.status()["symbols"]:
        await bus.stream_state(Stream.ACCOUNT)
    for task in tasks:
        task.cancel()


async def test_missed_funding_is_found_by_the_sweep_and_published_once(
    bus: Bus, service: Service, serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    funding = FundingSettings(rate=Decimal("0.0001"), interval=SECOND_NS)
    served = await serve(new_settings(tmp_path, funding=funding))
    client = await new_client(served.url)
    await client.place(PERP, decision(Side.BUY, "150", "t", post_only=False))
    for _ in range(12):
        served.venue.tick()
    payments = served.venue.all_fundings()
    async with publishing(service, client) as publisher:
        found = await first(bus, Stream.ORDERS, subjects.funding(SIM, PERP), len(payments))
        await publisher.sweep()
    service.registry = CollectorRegistry()
    async with publishing(service, client) as publisher:
        await publisher.sweep()
        for _ in range(8):
            served.venue.tick()
        more = served.venue.all_fundings()
        events = await first(bus, Stream.ORDERS, subjects.funding(SIM, PERP), len(more))
    assert found == payments
    assert events == more
