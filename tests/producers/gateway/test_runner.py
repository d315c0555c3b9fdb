"""Several gateway processes on a real bus: leases and roster changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import msgspec
import pytest

from bus import (
    Bus,
    EmbeddedServer,
    FreeRunning,
    LastPerSubject,
    Registry,
    Service,
    Timing,
    leases,
    open_service,
    read,
)
from bus.coordination.membership import Claim, Member
from producers.gateway import runner as module
from producers.gateway.context import GatewayMetrics
from producers.gateway.gateway import Gateway
from producers.gateway.runner import GatewayRunner
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.engine.events import AlertRaised
from schemas.engine.journal import SymbolEntry
from schemas.formats import STATE_VERSION
from schemas.subjects import Stream
from schemas.units import Side, Symbol
from schemas.venue.orders import OrderStatus
from tests.builders import SIM
from tests.producers.gateways import INTENTS, REPORTS, STEP, commit, new_context, reports
from tests.producers.simulated.examples import PERP, decision
from tests.producers.streams import first, until
from tests.schemas.examples import EXAMPLES

QUICK = Timing(renew_s=0.05, expire_s=0.3)
KEY = subjects.registry_key(SIM, PERP)
LEASE = f"gateway.sim.{subjects.escape(PERP)}"
ENTRY = next(event for event in EXAMPLES if isinstance(event, SymbolEntry))
BUY = decision(Side.BUY, "99.5", "a")


@pytest.fixture
async def roster(bus: Bus) -> Registry:
    registry = Registry(bus, "symbols")
    await registry.create(KEY, msgspec.structs.replace(ENTRY, venue=SIM, symbol=PERP))
    return registry


@asynccontextmanager
async def serving(server: EmbeddedServer, client: SimulatedVenue, name: str) -> AsyncIterator[GatewayRunner]:
    async with AsyncExitStack() as stack:
        service: Service = await stack.enter_async_context(
            open_service("gateway", bus=server.url, http_port=None)
        )
        lease_provider = await stack.enter_async_context(
            leases(service.bus, "gateway.sim", name, timing=QUICK)
        )
        metrics = GatewayMetrics(service.registry)

        @asynccontextmanager
        async def make(symbol: Symbol) -> AsyncIterator[Gateway]:
            yield Gateway(
                service,
                client,
                symbol,
                metrics=metrics,
                gate=FreeRunning(),
                concurrency=8,
                place_lifetime_ns=10**10,
                context=new_context(service),
            )

        served = GatewayRunner(service, SIM, lease_provider, make)
        running = asyncio.create_task(served.run())
        try:
            yield served
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def until_in_bucket(bus: Bus, key: str, wanted: Callable[[bytes], bool]) -> None:
    async with aclosing(read(bus, "KV_lease", (f"$KV.lease.{key}",), LastPerSubject())) as batches:
        async for batch in batches:
            if any(wanted(message.data) for message in batch.messages):
                return


def standing(gateways: GatewayRunner, symbol: Symbol = PERP) -> object:
    symbols = gateways.status()["symbols"]
    assert isinstance(symbols, dict)
    return symbols[symbol]["standing"]


async def following(gateways: GatewayRunner) -> None:
    """Wait until the gateway of PERP sends the orders of new steps."""
    async with asyncio.timeout(20):
        while True:
            symbols = gateways.status()["symbols"]
            assert isinstance(symbols, dict)
            if symbols.get(PERP, {}).get("following"):
                return
            await asyncio.sleep(0.01)


async def test_a_symbol_of_the_roster_is_served(
    server: EmbeddedServer, bus: Bus, roster: Registry, client: SimulatedVenue
) -> None:
    async with serving(server, client, "one") as one:
        await following(one)
        await commit(bus, BUY)
        (report,) = await reports(bus, 1)
        assert standing(one) == "running here"
        assert one.running() == [subjects.registry_key(SIM, PERP)]
    assert report.status is OrderStatus.NEW


async def test_another_gateway_takes_over_and_sends_nothing_twice(
    server: EmbeddedServer, bus: Bus, roster: Registry, client: SimulatedVenue, served: RunningVenue
) -> None:
    async with AsyncExitStack() as second:
        async with serving(server, client, "one") as one:
            await following(one)
            await commit(bus, BUY)
            await reports(bus, 1)
            two = await second.enter_async_context(serving(server, client, "two"))
            await until_in_bucket(bus, "member.gateway.sim.two", lambda data: b'"waiting":1' in data)
            assert standing(two) == "held by one"
            assert two.running() == []
        await until_in_bucket(bus, LEASE, lambda data: b'"two"' in data)
        await following(two)
        await commit(bus, decision(Side.BUY, "99.4", "b"), step=2)
        await reports(bus, 2)
        assert standing(two) == "running here"
    assert sorted(served.venue.matching.account.open_orders[PERP]) == ["a", "b"]


async def test_the_symbols_of_a_dead_gateway_are_taken_over(
    server: EmbeddedServer, bus: Bus, roster: Registry, client: SimulatedVenue
) -> None:
    lease = Registry(bus, "lease")
    await lease.create("member.gateway.sim.dead", Member(incarnation="1"))
    await lease.create(LEASE, Claim(holder="dead", incarnation="1"))
    async with serving(server, client, "one") as one:
        await following(one)
        await commit(bus, BUY)
        await reports(bus, 1)
    assert await lease.get("member.gateway.sim.dead") is None


async def test_a_removed_symbol_is_served_until_nothing_is_unresolved(
    server: EmbeddedServer,
    bus: Bus,
    roster: Registry,
    client: SimulatedVenue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETIRE_AFTER_S", 0.1)
    async with serving(server, client, "one") as one:
        await following(one)
        await commit(bus, BUY)
        await reports(bus, 1)
        stored = await roster.get(KEY)
        assert stored is not None
        await roster.delete(KEY, stored.revision)
        await commit(bus, decision(Side.BUY, "99.4", "b"), step=2)
        await reports(bus, 2)
        await until_in_bucket(bus, LEASE, lambda data: b"holder" not in data)
        await roster.create(KEY, msgspec.structs.replace(ENTRY, venue=SIM, symbol=PERP, generation=2))
        await following(one)
        await commit(bus, decision(Side.BUY, "99.3", "c"), step=3)
        await reports(bus, 3)


async def test_a_fenced_gateway_is_restarted(
    server: EmbeddedServer, bus: Bus, roster: Registry, client: SimulatedVenue
) -> None:
    async with serving(server, client, "one") as one:
        await following(one)
        await commit(bus, BUY)
        await reports(bus, 1)
        last = await bus.last(Stream.ORDERS, INTENTS)
        assert last is not None
        await bus.publish(INTENTS, last.data)
        await commit(bus, decision(Side.BUY, "99.4", "b"), step=2)
        await until(bus, Stream.ORDERS, INTENTS, lambda events: events[-1].epoch == 2)  # type: ignore[attr-defined]
        await following(one)
        await commit(bus, decision(Side.BUY, "99.3", "c"), step=3)
        await until(bus, Stream.ORDERS, REPORTS, lambda events: events[-1].client_order_id == "c")  # type: ignore[attr-defined]
        assert len(await reports(bus, 2)) == 2


async def commit_newer(bus: Bus) -> None:
    newer = msgspec.structs.replace(STEP, symbol=PERP, step=2, minimum_reader=STATE_VERSION + 1)
    await bus.store(subjects.step(SIM, PERP), newer)


async def test_a_symbol_whose_steps_are_too_new_is_not_served(
    server: EmbeddedServer, bus: Bus, roster: Registry, client: SimulatedVenue
) -> None:
    await commit_newer(bus)
    async with serving(server, client, "one") as one:
        (alert,) = await first(bus, Stream.ALERTS, subjects.alert(SIM, PERP))
        assert "was written by a newer version" in str(one.status()["problem"])
    assert isinstance(alert, AlertRaised)
    assert alert.code == "format_too_new"
    assert await bus.last(Stream.ORDERS, INTENTS) is None


async def test_opening_orders_are_canceled_when_steps_become_too_new(
    server: EmbeddedServer, bus: Bus, roster: Registry, client: SimulatedVenue
) -> None:
    async with serving(server, client, "one") as one:
        await following(one)
        await commit(bus, BUY)
        await reports(bus, 1)
        await commit_newer(bus)
        found = await reports(bus, 2)
    assert [report.status for report in found] == [OrderStatus.NEW, OrderStatus.CANCELED]
