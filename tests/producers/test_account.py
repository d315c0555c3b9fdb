"""The account publisher: the private stream, and what a sweep finds that it missed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, SIM, decision, new_settings
from tests.producers.streams import first, until
from tests.schemas.examples import TICKER

from bus import Bus, FreeRunning, Part
from bus.metrics import CollectorRegistry
from producers.account import AccountPublisher
from producers.simulated.client import SimulatedVenue
from producers.simulated.settings import FundingSettings
from schemas import subjects
from schemas.account import OpenOrders, Position
from schemas.orders import OrderReport, OrderStatus, Trade
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side

TAKE = decision(Side.BUY, "150", "t", post_only=False)


@asynccontextmanager
async def publishing(here: Part, source: SimulatedVenue) -> AsyncIterator[AccountPublisher]:
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
    bus: Bus, here: Part, client: SimulatedVenue
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
    bus: Bus, here: Part, client: SimulatedVenue
) -> None:
    await client.place(PERP, TAKE)
    async with publishing(here, client):
        (trade,) = await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))
        await until(bus, Stream.ACCOUNT, subjects.position(SIM, PERP), lambda events: _quantity(events) == 1)
    assert isinstance(trade, Trade)


async def test_a_trade_is_published_once_whatever_is_swept(
    bus: Bus, here: Part, client: SimulatedVenue
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


async def test_nonsense_among_the_sweeps_is_read_past(bus: Bus, here: Part, client: SimulatedVenue) -> None:
    level = subjects.open_orders(SIM, PERP)
    async with publishing(here, client):
        await first(bus, Stream.ACCOUNT, level)
    await bus.store(level, TICKER)
    here.registry = CollectorRegistry()
    async with publishing(here, client):
        await client.place(PERP, TAKE)
        assert await first(bus, Stream.ORDERS, subjects.own_trade(SIM, PERP))


async def test_a_sweep_tells_all_open_orders_and_what_they_include(
    bus: Bus, here: Part, client: SimulatedVenue
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


async def test_funding_that_nobody_listened_to_is_found_by_the_sweep_and_published_once(
    bus: Bus, here: Part, serve: Serve, new_client: NewClient, tmp_path: Path
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
