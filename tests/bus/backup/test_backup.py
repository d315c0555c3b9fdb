"""A backup of the bus: the directory is complete or not there, and damage is found."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bus import BackupFailed, Bus
from bus.backup.backup import back_up, backup_order
from bus.backup.manifest import MANIFEST, Manifest, read_manifest
from bus.backup.restore import verified_manifest
from tests.bus.events import store_many


def no_progress(stream: str, size: int) -> None:
    pass


async def backup(bus: Bus, folder: Path) -> Path:
    await store_many(bus, "order.sim.BTC-USDT.report", 3)
    await back_up(bus, folder / "backup", "0.1.0", no_progress)
    return folder / "backup"


async def test_a_backup_has_every_file_stream_and_no_memory_stream(bus: Bus, tmp_path: Path) -> None:
    manifest = verified_manifest(await backup(bus, tmp_path))

    names = [each.name for each in manifest.streams]
    assert names == backup_order()
    assert {"ORDERS", "JOURNAL", "KV_symbols"} <= set(names)
    assert not {"MARKET", "KV_lease"} & set(names)
    assert manifest.streams[names.index("ORDERS")].contents.messages == 3


async def test_an_existing_directory_is_not_touched(bus: Bus, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="exists: choose another directory"):
        await back_up(bus, tmp_path, "0.1.0", no_progress)


async def test_a_failed_backup_leaves_no_directory(bus: Bus, tmp_path: Path) -> None:
    def fail(stream: str, size: int) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await back_up(bus, tmp_path / "backup", "0.1.0", fail)
    assert not any(os.scandir(tmp_path))


def truncate(directory: Path) -> None:
    (directory / "ORDERS.snapshot").write_bytes((directory / "ORDERS.snapshot").read_bytes()[:-1])


def change(directory: Path) -> None:
    data = (directory / "ORDERS.snapshot").read_bytes()
    (directory / "ORDERS.snapshot").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def remove(directory: Path) -> None:
    (directory / "ORDERS.snapshot").unlink()


def break_manifest(directory: Path) -> None:
    (directory / MANIFEST).write_bytes((directory / MANIFEST).read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (truncate, r"ORDERS\.snapshot is damaged: it has \d+ bytes"),
        (change, r"ORDERS\.snapshot is damaged: its SHA-256"),
        (remove, r"ORDERS\.snapshot cannot be read: No such file"),
        (break_manifest, r"manifest\.json is damaged"),
    ],
)
async def test_a_damaged_file_is_named(
    bus: Bus, tmp_path: Path, damage: Callable[[Path], None], text: str
) -> None:
    directory = await backup(bus, tmp_path)
    damage(directory)

    with pytest.raises(BackupFailed, match=text):
        verified_manifest(directory)


def test_another_directory_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="is no backup"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("field", ["format", "minimum_reader"])
def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, field: str) -> None:
    manifest = msgspec.to_builtins(Manifest(program="9.0", time=0, streams=())) | {
        field: 99,
        "streams": "new",
    }
    (tmp_path / MANIFEST).write_bytes(msgspec.json.encode(manifest))

    with pytest.raises(BackupFailed, match=r"written by version 9\.0, which is newer"):
        read_manifest(tmp_path)
