"""Restoring a backup: streams, the mark for the engines, generations."""

from pathlib import Path

import msgspec

from bus import Bus, Registry, deregister
from bus.backup.backup import back_up
from bus.backup.generations import highest_generations
from bus.backup.restore import Restored, restore, verified_manifest
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.journal import SymbolEntry
from schemas.units import Side, Symbol
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderIntent
from tests.builders import BTC, ENTRY, PLACE, SIM, STEP
from tests.bus.backup.test_backup import no_progress

KEY = subjects.registry_key(SIM, BTC)
ETH = Symbol("ETH/USDT:USDT")


async def register(bus: Bus, entry: SymbolEntry = ENTRY) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(entry.venue, entry.symbol), entry)


async def entry_of(bus: Bus) -> SymbolEntry:
    stored = await Registry(bus, "symbols").get(KEY)
    assert stored is not None
    return decode_as(stored.data, SymbolEntry)


async def intend(bus: Bus, generation: int) -> None:
    place = msgspec.structs.replace(PLACE, client_order_id=order_id("sqt", BTC, generation, 0, Side.BUY, 0))
    intent = OrderIntent(venue=SIM, symbol=BTC, epoch=1, step=1, step_sequence=1, decisions=(place,))
    await bus.store(subjects.order_intent(SIM, BTC), intent)


async def commit(bus: Bus, generation: int) -> None:
    state = msgspec.structs.replace(STEP.state, generation=generation)
    await bus.store(subjects.step(SIM, BTC), msgspec.structs.replace(STEP, state=state))


async def restored(bus: Bus, directory: Path) -> Restored:
    return await restore(bus, directory, verified_manifest(directory), no_progress)


async def test_streams_are_replaced_and_each_symbol_gets_a_new_restore_id(bus: Bus, tmp_path: Path) -> None:
    await register(bus)
    await commit(bus, 1)
    await back_up(bus, tmp_path / "backup", "0.1.0", no_progress)
    await commit(bus, 1)
    first = await restored(bus, tmp_path / "backup")
    second = await restored(bus, tmp_path / "backup")

    assert await bus.last_sequence("JOURNAL") == 1
    assert first.entries[0].restore_id != second.entries[0].restore_id
    assert await entry_of(bus) == second.entries[0]
    assert second.entries[0] == msgspec.structs.replace(ENTRY, restore_id=second.entries[0].restore_id)


async def test_the_generation_is_the_highest_before_and_after(bus: Bus, tmp_path: Path) -> None:
    await register(bus)
    await commit(bus, 1)
    await back_up(bus, tmp_path / "backup", "0.1.0", no_progress)
    await commit(bus, 2)
    await intend(bus, 3)
    await restored(bus, tmp_path / "backup")

    assert (await entry_of(bus)).generation == 3


async def test_generations_are_named_by_roster_journal_and_intents(bus: Bus) -> None:
    await register(bus, msgspec.structs.replace(ENTRY, symbol=ETH, generation=5))
    await commit(bus, 2)
    await intend(bus, 4)
    await intend(bus, 1)

    assert await highest_generations(bus) == {subjects.registry_key(SIM, ETH): 5, KEY: 4}


async def test_a_symbol_that_is_not_in_the_backup_is_told(bus: Bus, tmp_path: Path) -> None:
    await back_up(bus, tmp_path / "backup", "0.1.0", no_progress)
    await register(bus)
    result = await restored(bus, tmp_path / "backup")

    assert (result.entries, result.unregistered) == ((), (KEY,))


async def test_a_backup_is_restored_on_an_empty_bus(bus: Bus, tmp_path: Path) -> None:
    await register(bus)
    await back_up(bus, tmp_path / "backup", "0.1.0", no_progress)
    await deregister(bus, ENTRY)
    for name in ("KV_symbols", "JOURNAL", "ORDERS"):
        await bus.api(f"STREAM.DELETE.{name}", None, dict)
    await restored(bus, tmp_path / "backup")

    assert (await entry_of(bus)).symbol == BTC


async def test_a_stream_that_the_backup_does_not_have_is_kept(bus: Bus, tmp_path: Path) -> None:
    await bus.api("STREAM.DELETE.ENGINE", None, dict)
    await back_up(bus, tmp_path / "backup", "0.1.0", no_progress)

    assert (await restored(bus, tmp_path / "backup")).kept == ("ENGINE",)
