"""`opensqt bus backup` and `bus restore`."""

from pathlib import Path

import pytest

from bus import Bus, EmbeddedServer, connect, provision
from cli.errors import CommandError
from cli.program import program
from cli.stack.backup import back_up_bus, restore_bus
from cli.stack.connection import BusPlace
from cli.stack.data_dir import DataDir
from tests.bus.events import store_many

REPORT = "order.sim.BTC-USDT.report"


async def stopped_bus(data: DataDir, count: int) -> None:
    """Store messages in the bus of a data directory, and stop it."""
    async with EmbeddedServer(data.bus, sync_always=False) as server, connect(server.url, name="up") as bus:
        await provision(bus)
        await store_many(bus, REPORT, count)


async def message_count(data: DataDir) -> int:
    async with EmbeddedServer(data.bus, sync_always=False) as server, connect(server.url, name="up") as bus:
        return (await bus.stream_state("ORDERS")).messages


async def test_the_bus_of_a_stopped_stack_is_backed_up_and_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, place = DataDir(tmp_path / "data"), BusPlace(None, tmp_path / "data")
    await stopped_bus(data, 3)
    await back_up_bus(place, tmp_path / "backup")
    await stopped_bus(data, 2)
    await restore_bus(place, tmp_path / "backup", is_forced=False, has_safety_copy=True)

    output = capsys.readouterr().out
    assert await message_count(data) == 3
    assert f"next: start `{program()} up --data-dir {data.root}`" in output
    assert [each.name for each in tmp_path.glob("backup.replaced-*/ORDERS.snapshot")] == ["ORDERS.snapshot"]  # noqa: ASYNC240 - a test


async def test_a_backup_is_restored_into_a_new_directory(tmp_path: Path) -> None:
    await stopped_bus(DataDir(tmp_path / "data"), 3)
    await back_up_bus(BusPlace(None, tmp_path / "data"), tmp_path / "backup")
    place = BusPlace(None, tmp_path / "new")
    await restore_bus(place, tmp_path / "backup", is_forced=False, has_safety_copy=True)

    assert await message_count(DataDir(tmp_path / "new")) == 3


async def test_a_restore_is_refused_while_parts_are_connected(bus: Bus, tmp_path: Path) -> None:
    place = BusPlace(bus.url, None)
    await store_many(bus, REPORT, 3)
    await back_up_bus(place, tmp_path / "backup")
    async with connect(bus.url, name="engine"):
        with pytest.raises(CommandError, match=r"connected to \S+: engine, test; stop them first"):
            await restore_bus(place, tmp_path / "backup", is_forced=False, has_safety_copy=False)
        await store_many(bus, REPORT, 1)
        await restore_bus(place, tmp_path / "backup", is_forced=True, has_safety_copy=False)

    assert await bus.last_sequence("ORDERS") == 3


async def test_nothing_is_changed_when_a_file_is_damaged(bus: Bus, tmp_path: Path) -> None:
    await back_up_bus(BusPlace(bus.url, None), tmp_path / "backup")
    created = await bus.stream_created("CANDLES")
    (tmp_path / "backup" / "KV_symbols.snapshot").write_bytes(b"")

    with pytest.raises(CommandError, match=r"KV_symbols\.snapshot is damaged.*nothing was changed"):
        await restore_bus(BusPlace(bus.url, None), tmp_path / "backup", is_forced=True, has_safety_copy=False)
    assert await bus.stream_created("CANDLES") == created


async def test_a_directory_without_a_bus_has_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no bus"):
        await back_up_bus(BusPlace(None, tmp_path), tmp_path / "backup")
