"""The entry of a running symbol is put back when the bucket `symbols` is lost, and stays deleted when it is deleted."""

import msgspec
import pytest

from bus import Bus, EmbeddedServer, Registry, deregister
from bus.streams import bucket_keeper
from engine.actor import shutdown
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from tests.builders import BTC, SIM
from tests.engine.actor.test_actor import first_on, has_orders
from tests.engine.conftest import until_step
from tests.engine.engines import ENTRY, KEY, engine, register, standings, tick
from tests.engine.test_orchestrator import until_last

SUBJECT = f"$KV.symbols.{KEY}"


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_keeper, "CHECK_INTERVAL_S", 0.05)
    monkeypatch.setattr(shutdown, "SHUTDOWN_TIMEOUT_S", 0.05)


async def until_registered(bus: Bus) -> SymbolEntry:
    return decode_as(
        await until_last(bus, "KV_symbols", SUBJECT, lambda data: b"generation" in data), SymbolEntry
    )


@pytest.mark.parametrize("loss", ["PURGE", "DELETE"])
async def test_a_vanished_entry_is_put_back_and_the_symbol_goes_on(
    server: EmbeddedServer, bus: Bus, loss: str
) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one") as one:
        await tick(bus)
        before = await until_step(bus, has_orders)
        await bus.api(f"STREAM.{loss}.KV_symbols", None, dict)
        alert = decode_as((await first_on(bus, Stream.ALERTS, subjects.alert(SIM, BTC))).data, AlertRaised)
        assert await until_registered(bus) == ENTRY
        await tick(bus, later=1)
        after = await until_step(bus, lambda step: step.step > before.step)
        assert (after.epoch, standings(one)) == (before.epoch, {KEY: "running here"})
    assert alert.code == "symbol_entry_lost"


async def test_the_entry_put_back_has_the_generation_of_the_state(server: EmbeddedServer, bus: Bus) -> None:
    newer = msgspec.structs.replace(ENTRY, generation=2)
    await register(bus, newer)
    await tick(bus)
    async with engine(server, "one"):
        await until_step(bus, lambda step: step.state.generation == 2)
    # The registry was set back while no engine ran.
    await deregister(bus, newer)
    await register(bus, ENTRY)
    async with engine(server, "one"):
        await tick(bus, later=1)
        await until_step(bus, lambda step: step.epoch == 2 and bool(step.causes))
        await bus.api("STREAM.PURGE.KV_symbols", None, dict)
        assert (await until_registered(bus)).generation == 2


async def test_a_deleted_entry_is_a_removal(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one") as one:
        await tick(bus)
        await until_step(bus, has_orders)
        await deregister(bus, ENTRY)
        await until_last(bus, "KV_lease", f"$KV.lease.engine.{KEY}", lambda data: b"holder" not in data)
        assert standings(one) == {}
    assert await Registry(bus, "symbols").get(KEY) is None


async def test_an_entry_set_back_to_an_earlier_generation_is_put_back(
    server: EmbeddedServer, bus: Bus
) -> None:
    current = msgspec.structs.replace(ENTRY, generation=2)
    await register(bus, current)
    async with engine(server, "one") as one:
        await tick(bus)
        await until_step(bus, has_orders)
        stored = await Registry(bus, "symbols").get(KEY)
        assert stored is not None
        await Registry(bus, "symbols").update(KEY, ENTRY, stored.revision)
        await until_last(bus, "KV_symbols", SUBJECT, lambda data: decode_as(data, SymbolEntry) == current)
        assert standings(one) == {KEY: "running here"}


async def test_a_restored_entry_restarts_the_symbol(server: EmbeddedServer, bus: Bus) -> None:
    await register(bus, ENTRY)
    async with engine(server, "one") as one:
        await tick(bus)
        before = await until_step(bus, has_orders)
        stored = await Registry(bus, "symbols").get(KEY)
        assert stored is not None
        restored = msgspec.structs.replace(ENTRY, restore_id="r1")
        await Registry(bus, "symbols").update(KEY, restored, stored.revision)
        after = await until_step(bus, lambda step: step.epoch == before.epoch + 1)
        assert standings(one) == {KEY: "running here"}
    assert after.state.slots.keys() == before.state.slots.keys()
