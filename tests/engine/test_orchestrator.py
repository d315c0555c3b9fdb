"""Several engines on a real bus: leases, roster changes, quarantine of one symbol."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from decimal import Decimal

import msgspec
import pytest

from bus import Bus, EmbeddedServer, Fenced, Journal, LastPerSubject, Registry, deregister, read
from engine.orchestrator import Orchestrator
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import CommandName, CommandResult
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import Step, SymbolAdded
from schemas.formats import STATE_VERSION
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import Stream
from schemas.units import Symbol
from schemas.venue.orders import OrderReport, OrderStatus, PlaceOrder
from tests.builders import BTC, COMMAND, SIM, TICKER
from tests.bus.events import eventually
from tests.engine.actor.test_actor import first_on, has_orders, places, trade_of
from tests.engine.conftest import STEPS, until_step
from tests.engine.engines import ENTRY, KEY, engine, register, standings, tick
from tests.schemas.examples import EXAMPLES

pytestmark = pytest.mark.usefixtures("short_shutdown")
ETH = Symbol("ETH/USDT:USDT")
EXAMPLE_STEP = next(each for each in EXAMPLES if isinstance(each, Step))


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
        assert one.running() == [KEY]


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
            assert two.running() == []
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


async def test_a_symbol_that_another_engine_runs_is_no_problem(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    await tick(bus)
    async with AsyncExitStack() as second:
        async with engine(server, "one"):
            await until_step(bus, has_orders)
            two = await second.enter_async_context(engine(server, "two"))
            await until_holder(two, "one")
            two._symbols[KEY].on_failure(Fenced("by engine one"))
            assert (two.status().get("problem"), problem_of(two)) == (None, "None")
        await until_step(bus, lambda step: step.epoch == 2)


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


async def until_holder(orchestrator: Orchestrator, name: str) -> None:
    async def is_held() -> bool:
        return standings(orchestrator) == {KEY: f"held by {name}"}

    await eventually(is_held)


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
