"""One simulated run: a world, its faults, and what must hold in it. The same seed gives the same run."""

import asyncio
import hashlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from bus import Bus, BusError, get_logger, marks
from cli.config.file import Configuration
from lab.chaos.history import HistoryRecorder, VenueHistory, fetch_venue_history
from lab.chaos.invariants import EVENTUAL, INVARIANTS
from lab.chaos.runner import RECHECK_FOR_S, post_admin
from lab.simulation.configuration import default_configuration
from lab.simulation.faults.injector import inject_all
from lab.simulation.faults.schedule import effects, plan
from lab.simulation.oracles.final import Verdicts
from lab.simulation.oracles.liveness import LIVE_WITHIN_S, not_live
from lab.simulation.oracles.records import RecordWatch
from lab.simulation.oracles.venue import VenueWatch
from lab.simulation.world.world import World, WorldSettings

SETTLE_S = 120.0
"""Simulated seconds without market within which everything must hold."""
POLL_S = 1.0
ENGINES, CLUSTER_NODES = 2, 3
ONE_GATEWAY_RATIO = 0.3
"""Share of the seeds with one gateway instead of two: with one, the exposure limit is exact."""
STORE_FOLDER = Path("/dev/shm")

_log = get_logger("simulation")


@dataclass(frozen=True, slots=True)
class UniverseSettings:
    """What determines a run."""

    seed: int = 1
    hours: float = 0.1
    """How long faults occur; then the run goes on until everything holds."""
    faults: tuple[str, ...] | None = None
    """Names of the faults that occur, such as `kill`, or `pause#2` for the second pause alone; None: the seed chooses."""
    pace: float = 1.0
    """By how much background work is slower than in production, and half of the faults last longer."""


@dataclass(slots=True)
class UniverseResult:
    """What came of a run."""

    seed: int
    digest: str = ""
    """Hash of everything that the bus and the venue have stored."""
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    """What did not hold, as `name: text`."""
    faults: Counter[str] = field(default_factory=Counter)
    """How often each fault was injected."""
    marks: Counter[str] = field(default_factory=Counter)
    """How often each marked branch was reached."""


def run_universe(
    settings: UniverseSettings,
    configuration: Configuration | None = None,
    on_end: Callable[[World], None] = lambda world: None,
) -> UniverseResult:
    """Run a world for so long as the settings say, then without faults until everything holds; return what came of it.

    `on_end` gets the world after its end, whose bus can still be read.
    Raises: UnknownFault.
    """
    result = UniverseResult(settings.seed)
    started = time.process_time()
    marks.reset()
    universe = _Universe(settings, result)
    folder = STORE_FOLDER if STORE_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="opensqt-simulation-", dir=folder) as store:
        world = World(
            WorldSettings(
                configuration or default_configuration(settings.seed),
                settings.seed,
                engines=ENGINES,
                gateways=1 if random.Random(f"world {settings.seed}").random() < ONE_GATEWAY_RATIO else 2,
                nodes=CLUSTER_NODES if universe.needs_cluster else 1,
                pace=settings.pace,
            ),
            Path(store),
        )
        world.run(universe.run)
    result.marks = marks.counts()
    result.simulated_s = world.loop.true_time()
    result.digest = universe.digest(world)
    result.cpu_s = time.process_time() - started
    on_end(world)
    return result


class _Universe:
    def __init__(self, settings: UniverseSettings, result: UniverseResult) -> None:
        self._duration_s = settings.hours * 3600
        self._result = result
        self._injections = plan(settings.seed, self._duration_s, settings.faults, settings.pace)
        self._venue: VenueHistory | None = None

    @property
    def needs_cluster(self) -> bool:
        return any(each.fault.needs_cluster for each in self._injections)

    def digest(self, world: World) -> str:
        """Return the hash of everything that the bus and the venue have stored."""
        return hashlib.sha256(world.digest().encode() + msgspec.json.encode(self._venue)).hexdigest()

    async def run(self, world: World, bus: Bus) -> None:
        records = RecordWatch(world.model)
        venue = VenueWatch(records, world.settings)
        world.follow_venue(venue.follow)
        verdicts = Verdicts(world, records, venue, effects(self._injections))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(inject_all(world, self._injections, self._result.faults))
            tasks.create_task(asyncio.sleep(self._duration_s))
        found = {
            "everything works again": await self._until_live(world, verdicts),
            **await self._settle(world, bus, verdicts),
            **verdicts.instant(),
        }
        self._result.problems += [f"{name}: {text}" for name, texts in found.items() for text in texts]

    async def _until_live(self, world: World, verdicts: Verdicts) -> list[str]:
        end = world.loop.true_time() + LIVE_WITHIN_S * world.settings.pace
        while found := not_live(world, verdicts.records, verdicts.venue, stopped=verdicts.stopped()):
            _log.info("not_working_yet", detail=found[0])
            if world.loop.true_time() > end:
                return found
            await asyncio.sleep(POLL_S)
        return []

    async def _settle(self, world: World, bus: Bus, verdicts: Verdicts) -> dict[str, list[str]]:
        await post_admin(world.venue_url, "market", {"halted": True})
        recorders = [HistoryRecorder(entry) for entry in world.settings.configuration.symbols]
        end = world.loop.true_time() + SETTLE_S * world.settings.pace
        while True:
            try:
                self._venue = await fetch_venue_history(world.venue_url)
                for recorder in recorders:
                    await recorder.record(bus)
                found = verdicts.final([recorder.history for recorder in recorders], self._venue)
            except (BusError, aiohttp.ClientError, TimeoutError) as error:
                found = {"bus and venue can be read": [repr(error)]}
            if any(texts for name, texts in found.items() if name in INVARIANTS and name not in EVENTUAL):
                end = min(end, world.loop.true_time() + RECHECK_FOR_S)
            if not any(found.values()) or world.loop.true_time() > end:
                return found
            _log.info("not_settled_yet", detail=next(texts[0] for texts in found.values() if texts))
            try:
                await bus.publish(f"sweep.{world.settings.configuration.venue.venue}", b"")
            except BusError as error:
                found = {"the bus can be written": [repr(error)]}
            await asyncio.sleep(POLL_S)
