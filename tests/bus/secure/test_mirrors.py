"""Mirrors of the streams in READ."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bus import Bus, provision
from bus.secure.accounts import READ_API
from bus.secure.mirrors import has_mirrors, mirror_differences, provision_mirrors
from schemas.subjects import Stream
from tests.bus.secure.running import as_user, secured_bus


async def mirror(admin: Bus) -> dict[str, Any]:
    return await admin.api(f"STREAM.INFO.{Stream.JOURNAL}", None, dict, prefix=READ_API)


async def until(condition: Callable[[dict[str, Any]], bool], admin: Bus) -> None:
    async with asyncio.timeout(20):
        while not condition(await mirror(admin)):  # noqa: ASYNC110 - the state of a server
            await asyncio.sleep(0.05)


async def test_a_mirror_keeps_sequences(tmp_path: Path) -> None:
    async with secured_bus(tmp_path) as admin:
        for number in range(3):
            await admin.nc.request("journal.sim.B.step", b"%d" % number)
        await until(lambda info: info["state"]["last_seq"] == 3, admin)


async def test_mirrors_are_provisioned_once(tmp_path: Path) -> None:
    async with secured_bus(tmp_path) as admin:
        assert await mirror_differences(admin) == []
        await admin.api(f"STREAM.DELETE.{Stream.JOURNAL}", None, dict, prefix=READ_API)
        assert await mirror_differences(admin) == [Stream.JOURNAL]
        assert await provision_mirrors(admin) == [Stream.JOURNAL]
        assert await provision_mirrors(admin) == []


async def test_the_mirror_of_a_recreated_stream_is_recreated(tmp_path: Path) -> None:
    async with secured_bus(tmp_path) as admin:
        await admin.nc.request("journal.sim.B.step", b"1")
        await admin.nc.request("journal.sim.B.step", b"2")
        await until(lambda info: info["state"]["last_seq"] == 2, admin)
        await admin.api(f"STREAM.DELETE.{Stream.JOURNAL}", None, dict)
        await provision(admin)
        await admin.nc.request("journal.sim.B.step", b"3")
        assert await provision_mirrors(admin) == [Stream.JOURNAL]
        await until(lambda info: info["state"]["last_seq"] == 1, admin)


async def test_only_the_administrator_has_mirrors(tmp_path: Path, bus: Bus) -> None:
    async with secured_bus(tmp_path) as admin, as_user(tmp_path, "engine") as engine:
        assert await has_mirrors(admin)
        assert not await has_mirrors(engine)
    assert not await has_mirrors(bus)
