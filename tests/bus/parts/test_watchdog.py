"""The watchdog on a real bus: own heartbeats, silent parts, a hung bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus import Bus, EmbeddedServer, Heartbeats, PartState, Watchdog, open_service, read_parts


@asynccontextmanager
async def watching(watchdog: Watchdog) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watchdog.run())
        yield
        running.cancel()


async def until(watchdog: Watchdog, kind: str, state: PartState) -> None:
    """Wait until the watchdog sees a part of a kind in a state."""
    changed = asyncio.Event()
    remove = watchdog.on_change(changed.set)
    async with asyncio.timeout(10):
        while (kind, state) not in {(each.kind, each.state) for each in watchdog.view().parts}:
            changed.clear()
            await changed.wait()
    remove()


async def test_a_part_that_stops_sending_is_silent_within_seconds(server: EmbeddedServer, bus: Bus) -> None:
    async with open_service("liveserver", bus_url=server.url, http_port=None) as service:
        watchdog = Watchdog(service.heartbeats, service.log)
        sending = asyncio.create_task(Heartbeats(bus, "gateway", "g").run())
        async with watching(watchdog):
            await until(watchdog, "gateway", PartState.OK)
            sending.cancel()
            await until(watchdog, "gateway", PartState.SILENT)
            seen = await read_parts(bus, ())
    (silent,) = (each for each in seen.parts if each.state is PartState.SILENT)
    assert silent.incident == watchdog.view().parts[0].incident
    assert silent.incident.startswith("part_silent.gateway.g.")


async def test_an_orderly_stop_is_no_fault(server: EmbeddedServer, bus: Bus) -> None:
    async with open_service("engine", bus_url=server.url, http_port=None):
        pass
    assert (await read_parts(bus, ())).parts == ()
