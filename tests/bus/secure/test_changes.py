"""Changes of a secured bus while it runs: new keys, new venues, a restore."""

import asyncio
import datetime
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus import Bus, NotAuthorized, open_service, provision, read_context
from bus.secure.directory import read_settings, write_directory
from cli.errors import CommandError
from cli.stack.backup import back_up_bus, restore_bus
from cli.stack.connection import BusPlace
from schemas.units import VenueId
from tests.bus.secure.running import as_user, make_directory, running_server

NOW = datetime.datetime.now(datetime.UTC)


def reloads(log: Path) -> int:
    return log.read_text().count("Reloaded server configuration")


async def reload(process: asyncio.subprocess.Process, log: Path) -> None:
    """Let a server read its configuration again, and wait until it has."""
    count = reloads(log)
    process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(20):
        while reloads(log) == count:  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.02)


async def is_stored(bus: Bus, subject: str) -> bool:
    return b'"seq"' in (await bus.nc.request(subject, b"{}", timeout=5)).data


async def test_a_venue_is_added_while_parts_are_connected(tmp_path: Path) -> None:
    make_directory(tmp_path, (VenueId("sim"),))
    settings = read_settings(tmp_path)
    assert settings is not None
    async with (
        running_server(tmp_path) as server,
        as_user(tmp_path, "admin") as admin,
        as_user(tmp_path, "engine") as engine,
    ):
        await provision(admin)
        write_directory(tmp_path, replace(settings, venues=(VenueId("sim"), VenueId("okx"))), now=NOW)
        for _ in range(2):
            await reload(server, tmp_path / "bus.log")
        async with as_user(tmp_path, "gateway-okx") as gateway:
            assert await is_stored(gateway, "order.okx.B.intent")
        assert await is_stored(engine, "journal.okx.B.step")
        assert engine.reconnects == 0


async def test_a_rotated_key_replaces_the_old_one(tmp_path: Path) -> None:
    settings = make_directory(tmp_path)
    old = (tmp_path / "contexts" / "engine.nk").read_bytes()
    async with running_server(tmp_path) as server, as_user(tmp_path, "admin"):
        write_directory(tmp_path, settings, rotate=["engine"], now=NOW)
        await reload(server, tmp_path / "bus.log")
        async with as_user(tmp_path, "engine") as engine:
            assert engine.is_connected
        (tmp_path / "contexts" / "engine.nk").write_bytes(old)
        with pytest.raises(NotAuthorized):
            async with as_user(tmp_path, "engine"):
                pass


async def test_a_restore_notices_parts_in_other_accounts(tmp_path: Path) -> None:
    root = tmp_path / "bus"
    make_directory(root)
    admin, engine = (root / "contexts" / f"{user}.json" for user in ("admin", "engine"))
    place = BusPlace(None, None, admin)
    async with running_server(root):
        async with as_user(root, "admin") as bus:
            await provision(bus)
        await back_up_bus(place, tmp_path / "backup")
        async with open_service("engine", bus=read_context(engine), http_port=None):
            with pytest.raises(CommandError, match=r"these parts are connected to .*: engine"):
                await restore_bus(place, tmp_path / "backup", is_forced=False, has_safety_copy=False)
