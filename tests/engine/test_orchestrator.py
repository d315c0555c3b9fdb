"""Several engines on a real bus: leases, roster changes, quarantine of one symbol."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bus import (
    Bus,
    EmbeddedServer,
    Journal,
    LastPerSubject,
    Registry,
    Timing,
    deregister,
    leases,
    open_service,
    provision,
    read,
)
from engine.actor import shutdown
from engine.actor.candles import LiveCandles
from engine.actor.market import LiveMarket
from engine.orchestrator import Orchestrator
from engine.quarantine import InputRef, announce, announce_end
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import CommandName, CommandResult
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import Step, SymbolAdded, SymbolEntry
from schemas.formats import STATE_VERSION
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import Stream
from schemas.units import Symbol
from schemas.venue.orders import OrderIntent, OrderReport, OrderStatus, PlaceOrder
from tests.builders import BTC, COMMAND, INSTRUMENT, SIM, TICKER
from tests.engine import conftest
from tests.engine.actor.test_actor import first_on, has_orders, places, trade_of
from tests.engine.conftest import (
    STEPS,
    store_genesis,
    until_step,
)
from tests.schemas.examples import (
    EXAMPLES,
)

ENTRY = msgspec.structs.replace(
    conftest.ENTRY, settings=msgspec.structs.replace(conftest.ENTRY.settings, cancel_on_exit=False)
)
"""No gateway runs in these tests that would cancel orders on shutdown."""

QUICK = Timing(renew_s=0.05, expire_s=0.3)
ETH = Symbol("ETH/USDT:USDT")
KEY = subjects.registry_key(SIM, BTC)
EXAMPLE_STEP = next(each for each in EXAMPLES if isinstance(each, Step))


@pytest.fixture(autouse=True)
def _short_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "SHUTDOWN_TIMEOUT_S", 0.05)


async def register(bus: Bus, entry: SymbolEntry) -> None:
    instrument = msgspec.structs.replace(INSTRUMENT, symbol=entry.symbol)
    key = subjects.registry_key(entry.venue, entry.symbol)
    await Registry(bus, "instruments").create(key, instrument)
    await Registry(bus, "symbols").create(key, entry)
    await store_genesis(bus, entry)


@asynccontextmanager
async def engine(server: EmbeddedServer, name: str) -> AsyncIterator[Orchestrator]:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service("engine", bus_url=server.url, http_port=None))
        lease_provider = await stack.enter_async_context(leases(service.bus, "engine", name, timing=QUICK))
        orchestrator = Orchestrator(
            service, lease_provider, lock_step=False, make_market=LiveMarket, candles=LiveCandles
        )
        running = asyncio.create_task(orchestrator.run())
        try:
            yield orchestrator
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def standings(orchestrator: Orchestrator) -> dict[str, Any]:
    symbols = orchestrator.status()["symbols"]
    assert isinstance(symbols, dict)
    return {key: symbol["standing"] for key, symbol in symbols.items()}


async def tick(bus: Bus, symbol: Symbol = BTC, *, later: int = 0) -> None:
    # Away from the last price, so that the grid moves.
    price = TICKER.last + 60 * later
    ticker = msgspec.structs.replace(
        TICKER, symbol=symbol, bid=price - 1, ask=price, last=price, time=TICKER.time + later
    )
    await bus.store(subjects.ticker(SIM, symbol), ticker)


async def until_last(bus: Bus, stream: str, subject: str, wanted: Callable[[bytes], bool]) -> bytes:
    async for batch in read(bus, stream, (subject,), LastPerSubject()):
        for message in batch.messages:
            if wanted(message.data):
                return message.data
    raise AssertionError("a stream is read for ever")


async def test_a_symbol_of_the_roster_runs(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one") as one:
        await tick(bus)
        await until_step(bus, has_orders)
        assert standings(one) == {KEY: "running here"}


async def test_another_engine_waits_and_takes_over_at_once_when_the_first_ends(
    server: EmbeddedServer, bus: Bus
) -> None:
    await register(bus, ENTRY)
    await tick(bus)
    async with AsyncExitStack() as second:
        async with engine(server, "one"):
            await until_step(bus, has_orders)
            two = await second.enter_async_context(engine(server, "two"))
            await until_last(
                bus, "KV_lease", "$KV.lease.member.engine.two", lambda data: b'"waiting":1' in data
            )
            assert standings(two) == {KEY: "held by one"}
        await until_step(bus, lambda step: step.epoch == 2)
        assert standings(two) == {KEY: "running here"}


async def test_a_fenced_engine_backs_off_and_takes_over_again(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    await tick(bus)
    async with engine(server, "one") as one:
        step = await until_step(bus, has_orders)
        # A process without the lease writes to the journal.
        journal = await Journal.open(bus, Stream.JOURNAL, STEPS)
        await journal.commit(msgspec.structs.replace(step, epoch=2, causes=(), decisions=()))
        await tick(bus, later=1)
        await until_step(bus, lambda step: step.epoch == 3)
        assert standings(one) == {KEY: "running here"}


async def test_a_removed_symbol_stops_and_the_others_continue(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    await register(bus, msgspec.structs.replace(ENTRY, symbol=ETH))
    async with engine(server, "one") as one:
        await tick(bus)
        await until_step(bus, has_orders)
        await deregister(bus, ENTRY)
        await until_last(bus, "KV_lease", f"$KV.lease.engine.{KEY}", lambda data: b"holder" not in data)
        await tick(bus, ETH)
        await first_on(bus, Stream.JOURNAL, subjects.step(SIM, ETH))
        assert standings(one) == {subjects.registry_key(SIM, ETH): "running here"}


async def test_a_symbol_added_again_starts_with_empty_state_in_the_same_journal(
    server: EmbeddedServer, bus: Bus
) -> None:
    await register(bus, ENTRY)
    await tick(bus)
    again = msgspec.structs.replace(ENTRY, generation=2)
    async with engine(server, "one"):
        before = await until_step(bus, has_orders)
        await deregister(bus, ENTRY)
        await register(bus, again)
        first = await until_step(bus, lambda step: step.state.generation == 2)
    assert (first.step, first.epoch) == (before.step + 1, 2)
    assert isinstance(first.causes[0], SymbolAdded)
    ids = {order.client_order_id for order in places(first)}
    assert ids.isdisjoint(order.client_order_id for order in places(before))


async def test_an_entry_of_another_generation_is_not_deregistered(bus: Bus) -> None:
    await register(bus, msgspec.structs.replace(ENTRY, generation=2))
    await deregister(bus, ENTRY)
    assert await Registry(bus, "symbols").get(KEY) is not None


async def poison(bus: Bus, step: Step) -> int:
    trade = msgspec.structs.replace(trade_of(places(step)[0]), price=Decimal("NaN"))
    return await bus.store(subjects.own_trade(SIM, BTC), trade)


async def test_a_poison_input_quarantines_its_symbol_alone(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    await register(bus, msgspec.structs.replace(ENTRY, symbol=ETH))
    async with engine(server, "one") as one:
        await tick(bus)
        sequence = await poison(bus, await until_step(bus, has_orders))
        alert = decode_as((await first_on(bus, Stream.ALERTS, subjects.alert(SIM, BTC))).data, AlertRaised)
        await tick(bus, ETH)
        await first_on(bus, Stream.JOURNAL, subjects.step(SIM, ETH))
        grid = await until_last(
            bus,
            Stream.JOURNAL,
            subjects.grid(SIM, BTC),
            lambda data: decode_as(data, GridView).not_quoting is NotQuoting.QUARANTINED,
        )
        assert standings(one) == {KEY: "quarantined", subjects.registry_key(SIM, ETH): "running here"}
    assert (alert.code, alert.severity) == ("quarantined", Severity.CRITICAL)
    assert f"ORDERS {sequence}" in alert.detail
    assert grid


async def test_a_reset_skips_the_poison_input(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one"):
        await tick(bus)
        sequence = await poison(bus, await until_step(bus, has_orders))
        await first_on(bus, Stream.ALERTS, subjects.alert(SIM, BTC))
        reset = msgspec.structs.replace(COMMAND, name=CommandName.RESET, expires_time=2**62)
        await bus.store(subjects.command(SIM, BTC, CommandName.RESET), reset)
        answer = await first_on(bus, Stream.CONTROL, subjects.command_result(SIM, BTC))
        await tick(bus, later=1)
        after = await until_step(bus, lambda step: step.offsets[Stream.ORDERS].sequence >= sequence)
    assert decode_as(answer.data, CommandResult).name is CommandName.RESET
    assert after.fills == ()


@pytest.mark.parametrize("endpoint", ["PURGE", "DELETE"])
async def test_a_lost_journal_is_continued_by_the_engine_that_wrote_it(
    server: EmbeddedServer, bus: Bus, endpoint: str
) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one"), asyncio.timeout(20):
        await tick(bus)
        before = await until_step(bus, has_orders)
        await bus.api(f"STREAM.{endpoint}.{Stream.JOURNAL}", None, dict)
        await tick(bus, later=1)  # its step cannot be committed
        await provision(bus)
        lost = await until_step(bus, lambda step: step.state.resync is not None)
    assert lost.state.accounts == before.state.accounts
    assert (lost.step, lost.epoch) == (before.step + 1, before.epoch + 1)
    assert lost.state.resync is not None
    assert lost.state.resync.raises_generation


async def test_a_journal_that_no_engine_remembers_quarantines_the_symbol_until_a_reset(
    server: EmbeddedServer, bus: Bus
) -> None:
    await register(bus, ENTRY)
    acted_on = OrderIntent(venue=SIM, symbol=BTC, epoch=1, step=7, step_sequence=9, decisions=())
    await bus.store(subjects.order_intent(SIM, BTC), acted_on)
    async with engine(server, "one") as one, asyncio.timeout(20):
        alert = decode_as((await first_on(bus, Stream.ENGINE, subjects.alert(SIM, BTC))).data, AlertRaised)
        reset = msgspec.structs.replace(COMMAND, name=CommandName.RESET, expires_time=2**62)
        await bus.store(subjects.command(SIM, BTC, CommandName.RESET), reset)
        await tick(bus)
        started = await until_step(bus, lambda step: step.state.resync is not None)
        assert standings(one) == {KEY: "running here"}
    assert "has no steps, but the gateway's intent" in alert.detail
    assert started.state.accounts.position == 0


async def test_a_symbol_removed_by_command_is_deregistered(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one"):
        await tick(bus)
        step = await until_step(bus, has_orders)
        remove = msgspec.structs.replace(COMMAND, name=CommandName.REMOVE, expires_time=2**62)
        await bus.store(subjects.command(SIM, BTC, CommandName.REMOVE), remove)
        for order in places(step):
            await bus.store(subjects.order_report(SIM, BTC), canceled(order))
        await until_step(bus, lambda step: step.state.removed)
        await until_last(bus, "KV_symbols", f"$KV.symbols.{KEY}", lambda data: b"generation" not in data)
        await until_last(
            bus,
            Stream.JOURNAL,
            subjects.grid(SIM, BTC),
            lambda data: decode_as(data, GridView).not_quoting is NotQuoting.REMOVED,
        )
        again = msgspec.structs.replace(ENTRY, generation=2)
        await Registry(bus, "symbols").create(KEY, again)
        await until_step(bus, lambda step: step.state.generation == 2)


async def test_a_symbol_removed_before_a_crash_is_deregistered_at_the_next_start(
    server: EmbeddedServer, bus: Bus
) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one"):
        await tick(bus)
        step = await until_step(bus, has_orders)
    journal = await Journal.open(bus, Stream.JOURNAL, STEPS)
    step.state.removed = True
    await journal.commit(msgspec.structs.replace(step, epoch=2, causes=(), decisions=()))
    async with engine(server, "one"):
        await until_last(bus, "KV_symbols", f"$KV.symbols.{KEY}", lambda data: b"generation" not in data)


def canceled(order: PlaceOrder) -> OrderReport:
    return OrderReport(
        venue=SIM,
        symbol=BTC,
        client_order_id=order.client_order_id,
        status=OrderStatus.CANCELED,
        cumulative_quantity=Decimal(0),
        time=TICKER.time + 1,
    )


def problem_of(orchestrator: Orchestrator, key: str = KEY) -> str:
    symbols = orchestrator.status()["symbols"]
    assert isinstance(symbols, dict)
    return str(symbols[key]["problem"])


async def test_a_symbol_whose_steps_are_too_new_does_not_run(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    await register(bus, msgspec.structs.replace(ENTRY, symbol=ETH))
    newer = msgspec.structs.replace(EXAMPLE_STEP, minimum_reader=STATE_VERSION + 1)
    sequence = await bus.store(subjects.step(SIM, BTC), newer)
    async with engine(server, "one") as one:
        alert = decode_as((await first_on(bus, Stream.ALERTS, subjects.alert(SIM, BTC))).data, AlertRaised)
        await tick(bus, ETH)
        await first_on(bus, Stream.JOURNAL, subjects.step(SIM, ETH))
        assert problem_of(one) == alert.detail
    last = await bus.last(Stream.JOURNAL, subjects.step(SIM, BTC))
    assert last is not None
    assert last.sequence == sequence
    assert (alert.code, alert.incident) == ("format_too_new", f"format_too_new.{KEY}.3.2")


async def test_an_order_event_of_an_unknown_type_stops_its_symbol(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one"):
        await tick(bus)
        await until_step(bus, has_orders)
        await bus.publish(subjects.order_report(SIM, BTC), b'{"type":"OrderAmended"}')
        alert = decode_as((await first_on(bus, Stream.ALERTS, subjects.alert(SIM, BTC))).data, AlertRaised)
    assert alert.code == "quarantined"
    assert "of the unknown type OrderAmended: update this program" in alert.detail


async def test_two_engines_raise_the_same_incident(server: EmbeddedServer, bus: Bus) -> None:
    ref = InputRef("ORDERS", 7)
    first = await announce(bus, ENTRY, ref, "one: failed")
    second = await announce(bus, ENTRY, ref, "two: failed")

    assert first.incident == second.incident == f"quarantined.{KEY}.0.ORDERS.7"
    assert await bus.last_sequence(Stream.ALERTS) == 1


async def test_a_reset_ends_the_incident(server: EmbeddedServer, bus: Bus) -> None:
    alert = await announce(bus, ENTRY, InputRef("Ticker"), "failed")
    await announce_end(bus, alert)

    last = await bus.last(Stream.ALERTS, subjects.alert(SIM, BTC))
    assert last is not None
    ended = decode_as(last.data, AlertRaised)
    assert (ended.incident, ended.ended, ended.severity) == (alert.incident, True, Severity.LOW)
