"""A short run of a small world under chosen faults: one symbol, two engines, two gateways. The same seed gives the same run."""

import asyncio
import random
import signal
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bus import Bus, BusError
from bus.client.jetstream import StreamInfo
from cli.config.file import DEFAULT_FILE, Configuration, load
from lab.chaos.history import HistoryRecorder, fetch_venue_history
from lab.chaos.invariants import EVENTUAL, violations
from lab.chaos.runner import VENUE_FAULTS, post_admin, with_volatile_market
from lab.simulation.bus_model.faults import PublishFault
from lab.simulation.loop.links import Link
from lab.simulation.universe import STORE_FOLDER
from lab.simulation.world.world import World, WorldSettings
from producers.simulated.settings import FaultSettings
from schemas import subjects
from schemas.engine.control import Command, CommandName
from schemas.subjects import Stream
from schemas.units import SECOND_NS

START_S = 6.0
"""Simulated seconds until the symbol trades."""
FAULTS_S = 30.0
SETTLE_S = 60.0
"""Simulated seconds after the faults within which everything must hold."""
CHECK_S = 4.0
POLL_S = 1.0
REPLICAS = 3
PARTS = ("engine-1", "engine-2", "gateway-1", "gateway-2")
"""The parts that faults hit by default."""


def small_configuration() -> Configuration:
    """Return the default configuration with its first symbol alone, in a market that moves fast."""
    found = with_volatile_market(load(DEFAULT_FILE))
    (venue,) = found.venues
    entry = found.symbols[0]
    listed = tuple(each for each in venue.symbols if each.instrument.symbol == entry.symbol)
    return msgspec.structs.replace(
        found, venues=(msgspec.structs.replace(venue, symbols=listed),), symbols=(entry,)
    )


def run_trial(seed: int, faults: tuple[str, ...], *, nodes: int = 1) -> list[str]:
    """Run a world under faults, named as in `FAULTS`; return what did not hold, as `name: text`."""
    folder = STORE_FOLDER if STORE_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="opensqt-trial-", dir=folder) as store:
        settings = WorldSettings(small_configuration(), seed, engines=2, gateways=2, nodes=nodes)
        return World(settings, Path(store)).run(_Trial(seed, faults).run)


class _Trial:
    def __init__(self, seed: int, faults: tuple[str, ...]) -> None:
        self._random = random.Random(f"trial {seed}")
        self._faults = faults
        self._recorder: HistoryRecorder | None = None

    async def run(self, world: World, bus: Bus) -> list[str]:
        (entry,) = world.settings.configuration.symbols
        self._recorder = HistoryRecorder(entry)
        if world.settings.nodes > 1:
            await _replicate(bus)
        await asyncio.sleep(START_S)
        running = [asyncio.create_task(self._inject(name, world, bus), name=name) for name in self._faults]
        try:
            for _ in range(int(FAULTS_S / CHECK_S)):
                await asyncio.sleep(CHECK_S)
                if found := await self._check(world, bus, is_settled=False):
                    return found
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await _end_faults(world)
        return await self._settle(world, bus)

    async def _inject(self, name: str, world: World, bus: Bus) -> None:
        choice = random.Random(self._random.getrandbits(64))
        while True:
            await FAULTS[name](world, bus, choice)

    async def _settle(self, world: World, bus: Bus) -> list[str]:
        end = world.loop.true_time() + SETTLE_S
        while True:
            found = await self._check(world, bus, is_settled=True)
            if not found or world.loop.true_time() > end:
                return found
            await bus.publish(subjects.sweep(world.settings.configuration.venue.venue), b"")
            await asyncio.sleep(POLL_S)

    async def _check(self, world: World, bus: Bus, *, is_settled: bool) -> list[str]:
        assert self._recorder is not None
        try:
            venue = await fetch_venue_history(world.venue_url)
            await self._recorder.record(bus)
        except (BusError, aiohttp.ClientError, TimeoutError) as error:
            return [f"the bus and the venue can be read: {error!r}"] if is_settled else []
        found = violations([self._recorder.history], venue)
        return [
            f"{name}: {text}"
            for name, texts in found.items()
            for text in texts
            if is_settled or name not in EVENTUAL
        ]


async def _replicate(bus: Bus) -> None:
    """Give every stream that the parts have created followers, as an operator of a cluster does."""
    for stream in (Stream.JOURNAL, Stream.ORDERS):
        info = await bus.api(f"STREAM.INFO.{stream}", None, dict[str, Any])
        await bus.api(f"STREAM.UPDATE.{stream}", {**info["config"], "num_replicas": REPLICAS}, StreamInfo)


async def _end_faults(world: World) -> None:
    for stream in (Stream.JOURNAL, Stream.ORDERS):
        world.model.faults.catch_up(stream)
    for part in world.parts.values():
        part.host.wall_offset_ns = 0
        part.send(signal.SIGCONT)
    for engine in ("engine-1", "engine-2"):
        world.loop.network.set_link(world.parts["bus"].host, world.parts[engine].host, Link())
    await post_admin(world.venue_url, "faults", msgspec.to_builtins(FaultSettings()))
    await post_admin(world.venue_url, "market", {"halted": True})


async def kill(world: World, bus: Bus, choice: random.Random) -> None:
    """Kill a part every few seconds."""
    await asyncio.sleep(choice.uniform(1, 5))
    world.parts[choice.choice(PARTS)].kill()


async def kill_account(world: World, bus: Bus, choice: random.Random) -> None:
    """Kill the account publisher every few seconds."""
    await asyncio.sleep(choice.uniform(3, 8))
    world.parts["account"].kill()


async def pause(world: World, bus: Bus, choice: random.Random) -> None:
    """Pause a part for longer than its leases last."""
    await asyncio.sleep(choice.uniform(1, 3))
    part = world.parts[choice.choice(PARTS)]
    part.send(signal.SIGSTOP)
    await asyncio.sleep(choice.uniform(2.5, 5))
    part.send(signal.SIGCONT)


async def leader_change(world: World, bus: Bus, choice: random.Random) -> None:
    """Lose replies of the bus to writes that it has stored, or not."""
    await asyncio.sleep(choice.uniform(1, 4))
    stream = choice.choice([Stream.JOURNAL, Stream.ORDERS])
    world.model.faults.change_leader(stream, choice.choice(list(PublishFault)))


async def venue(world: World, bus: Bus, choice: random.Random) -> None:
    """Let the venue lose, double and delay events, and leave requests without an answer."""
    faults = msgspec.structs.replace(VENUE_FAULTS, seed=choice.getrandbits(32))
    await post_admin(world.venue_url, "faults", msgspec.to_builtins(faults))
    await asyncio.sleep(FAULTS_S)


async def slow_bus(world: World, bus: Bus, choice: random.Random) -> None:
    """Let messages of the bus reach an engine late, then kill it."""
    await asyncio.sleep(choice.uniform(1, 3))
    engine = world.parts[choice.choice(("engine-1", "engine-2"))]
    world.loop.network.set_link(
        world.parts["bus"].host, engine.host, Link(delay_s=choice.uniform(0.1, 0.5), jitter_s=0.05)
    )
    await asyncio.sleep(choice.uniform(2, 5))
    engine.kill()
    world.loop.network.set_link(world.parts["bus"].host, engine.host, Link())


async def stale_follower(world: World, bus: Bus, choice: random.Random) -> None:
    """Let an outdated follower answer direct gets while an engine starts."""
    await asyncio.sleep(choice.uniform(1, 4))
    world.model.faults.stale_follower(Stream.ORDERS, is_only_one=choice.random() < 0.5)
    await asyncio.sleep(choice.uniform(0.5, 2))
    world.parts[choice.choice(("engine-1", "engine-2"))].kill()
    await asyncio.sleep(choice.uniform(2, 4))
    world.model.faults.catch_up(Stream.ORDERS)


async def purge_orders(world: World, bus: Bus, choice: random.Random) -> None:
    """Purge the stream of intents and reports."""
    await asyncio.sleep(choice.uniform(4, 10))
    with suppress(BusError):
        await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", None, dict[str, Any])


async def recreate_orders(world: World, bus: Bus, choice: random.Random) -> None:
    """Delete and create the stream of intents and reports."""
    await asyncio.sleep(choice.uniform(4, 10))
    world.model.faults.recreate_stream(Stream.ORDERS)


async def set_back_orders(world: World, bus: Bus, choice: random.Random) -> None:
    """Set the stream of intents and reports back to an earlier copy while an engine is paused."""
    world.model.faults.checkpoint(Stream.ORDERS)
    await asyncio.sleep(choice.uniform(2, 6))
    world.model.faults.roll_back(Stream.ORDERS)


async def trip(world: World, bus: Bus, choice: random.Random) -> None:
    """Open the circuit breaker by a command."""
    await asyncio.sleep(choice.uniform(1, 4))
    (entry,) = world.settings.configuration.symbols
    command = Command(
        venue=entry.venue,
        symbol=entry.symbol,
        command_id=f"trip-{choice.getrandbits(64)}",
        name=CommandName.TRIP,
        operator="trial",
        reason="a fault",
        time=world.loop.true_time_ns(),
        expires_time=world.loop.true_time_ns() + 30 * SECOND_NS,
    )
    with suppress(BusError):
        await bus.store(subjects.command(entry.venue, entry.symbol, command.name), command)


async def clock(world: World, bus: Bus, choice: random.Random) -> None:
    """Let the wall clock of a gateway go wrong for some seconds."""
    await asyncio.sleep(choice.uniform(1, 3))
    part = world.parts[choice.choice(("gateway-1", "gateway-2"))]
    part.host.wall_offset_ns = choice.choice((-1, 1)) * 3600 * SECOND_NS
    await asyncio.sleep(choice.uniform(5, 10))
    part.host.wall_offset_ns = 0


Inject = Callable[[World, Bus, random.Random], Awaitable[None]]
FAULTS: dict[str, Inject] = {
    each.__name__: each
    for each in (
        kill,
        kill_account,
        pause,
        leader_change,
        venue,
        slow_bus,
        stale_follower,
        purge_orders,
        recreate_orders,
        set_back_orders,
        trip,
        clock,
    )
}
"""The faults by name. Each function waits, and then injects its fault once."""
