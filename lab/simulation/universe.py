"""One simulated run: a world, its faults, and what must hold in it. The same seed gives the same run."""

import asyncio
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
from lab.simulation.oracles.clocks import ClockWatch
from lab.simulation.oracles.final import Verdicts
from lab.simulation.oracles.liveness import LIVE_WITHIN_S, not_live
from lab.simulation.oracles.records import RecordWatch
from lab.simulation.oracles.requests import RequestWatch
from lab.simulation.oracles.venue import VenueWatch
from lab.simulation.variety import Variety, gateways, varied, vary
from lab.simulation.world.commands import CommandStream
from lab.simulation.world.world import World, WorldSettings

CLOCK_FAULTS = frozenset({"skew", "clock-step", "clock-hour"})
EMPTYING_FAULTS = frozenset({"bus-restart", "bus-power", "disk-error", "recreate-memory", "empty-memory"})
"""They empty streams in memory: viewers may receive another snapshot."""
AFTERMATH_S = 30.0
"""Simulated seconds after a fault during which commands may be lost, as with the streams that it emptied."""
SETTLE_S = 120.0
"""Simulated seconds without market within which everything must hold."""
POLL_S = 1.0
ENGINES, CLUSTER_NODES = 2, 3
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
    seed = settings.seed
    # A given configuration is run as it is.
    variety = vary(seed) if configuration is None else Variety(gateways(seed))
    universe = _Universe(settings, result, variety)
    folder = STORE_FOLDER if STORE_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="opensqt-simulation-", dir=folder) as store:
        world = World(
            WorldSettings(
                configuration or varied(default_configuration(seed), seed),
                seed,
                engines=ENGINES,
                gateways=variety.gateways,
                nodes=CLUSTER_NODES if universe.needs_cluster else 1,
                live_servers=variety.live_servers,
                viewers=variety.viewers,
                producers=variety.producers,
                venue_skew_s=variety.venue_skew_s,
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
    def __init__(self, settings: UniverseSettings, result: UniverseResult, variety: Variety) -> None:
        self._seed = settings.seed
        self._pace = settings.pace
        self._variety = variety
        self._duration_s = settings.hours * 3600
        self._result = result
        self._injections = plan(settings.seed, self._duration_s, settings.faults, settings.pace)
        self._venue: VenueHistory | None = None
        self._clocks_set_ns = 0
        """When all clocks were set right."""

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
        requests, clocks = RequestWatch(world.model), ClockWatch(world)
        verdicts = Verdicts(world, records, venue, effects(self._injections))
        commands = CommandStream(bus, world.settings.configuration.symbols, self._seed)
        watching = asyncio.create_task(clocks.run(), name="clocks")
        start_s = world.loop.true_time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._inject(world))
            tasks.create_task(asyncio.sleep(self._duration_s))
            if self._variety.command_interval_s:
                tasks.create_task(commands.run(self._duration_s, self._variety.command_interval_s))
        watching.cancel()
        found = {
            "everything works again": await self._until_live(world, verdicts),
            **await self._settle(world, bus, verdicts),
            **verdicts.instant(),
            "each command is answered": commands.problems(partial(self._has_fault, start_s)),
            "refused cancels are not repeated at once": requests.problems,
            "a part with a wrong clock holds no lease": clocks.problems
            if self._has_clock_faults_alone
            else [],
            "viewers receive every event": await self._missed(world, bus, verdicts),
        }
        self._result.problems += [f"{name}: {text}" for name, texts in found.items() for text in texts]

    async def _inject(self, world: World) -> None:
        await inject_all(world, self._injections, self._result.faults)
        self._clocks_set_ns = world.loop.wall_time_ns()

    def _has_fault(self, start_s: float, from_s: float, to_s: float) -> bool:
        """Return whether a fault was in effect, or shortly before, between two times of the world's clock."""
        times = ((start_s + each.at_s, start_s + each.at_s + each.duration_s) for each in self._injections)
        return any(begin <= to_s and from_s <= end + AFTERMATH_S * self._pace for begin, end in times)

    def _in_true_time(self, venue: VenueHistory) -> VenueHistory:
        """Return a history with the arrivals by the clock of the other hosts, with which the proofs compare them."""
        skew_ns = round(self._variety.venue_skew_s * 1e9)
        arrivals = tuple(
            msgspec.structs.replace(each, time=each.time - skew_ns)
            if each.time - skew_ns < self._clocks_set_ns
            else each
            for each in venue.arrivals
        )
        return venue._replace(arrivals=arrivals)

    @property
    def _has_clock_faults_alone(self) -> bool:
        return self._faults <= CLOCK_FAULTS

    @property
    def _faults(self) -> set[str]:
        return {each.fault.name for each in self._injections}

    async def _missed(self, world: World, bus: Bus, verdicts: Verdicts) -> list[str]:
        if not self._variety.viewers:
            return []
        try:
            loses = not verdicts.keeps_records or bool(self._faults & EMPTYING_FAULTS)
            return await world.viewers.violations(bus, loses_records=loses)
        except BusError as error:
            return [f"the stored events cannot be read: {error}"]

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
                self._venue = self._in_true_time(await fetch_venue_history(world.venue_url))
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
