"""Live servers and viewers in a simulated world."""

import asyncio
from pathlib import Path

import msgspec

from bus import Bus
from lab.simulation.configuration import default_configuration
from lab.simulation.world.world import World, WorldSettings


async def kill_a_live_server(world: World, bus: Bus) -> list[str]:
    await world.viewers.pool.wait_snapshots()
    world.parts["liveserver-1"].kill()
    await asyncio.sleep(10)
    return await world.viewers.violations(bus)


def test_viewers_resume_on_another_live_server_and_miss_nothing(tmp_path: Path) -> None:
    configuration = default_configuration(1)
    configuration = msgspec.structs.replace(configuration, symbols=configuration.symbols[:1])
    world = World(WorldSettings(configuration, live_servers=2, viewers=4), tmp_path)

    assert world.run(kill_a_live_server) == []
    assert world.viewers.pool.resumed > 0
    assert all(each.received > 0 for each in world.viewers.viewers)


def test_what_a_viewer_has_missed_is_found(tmp_path: Path) -> None:
    async def lose_one(world: World, bus: Bus) -> list[str]:
        await world.viewers.pool.wait_snapshots()
        await asyncio.sleep(10)
        viewer = world.viewers.viewers[0]
        assert viewer.sequences["JOURNAL"].pop(0)
        return await world.viewers.violations(bus)

    configuration = default_configuration(1)
    configuration = msgspec.structs.replace(configuration, symbols=configuration.symbols[:1])
    world = World(WorldSettings(configuration, live_servers=1, viewers=1), tmp_path)
    (found,) = world.run(lose_one)

    assert "JOURNAL: missing" in found
