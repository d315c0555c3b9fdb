"""One simulated run: a world, its faults, and what must hold in it. The same seed gives the same run."""

import asyncio
import hashlib
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bus import Bus, BusError, marks
from cli.config.file import DEFAULT_FILE, Configuration, load
from lab.chaos.history import HistoryRecorder, fetch_venue_history
from lab.chaos.invariants import violations
from lab.chaos.runner import post_admin
from lab.simulation.world.world import World, WorldSettings

SETTLE_S = 120.0
"""Simulated seconds after the last fault within which everything must hold."""
POLL_S = 1.0
STORE_FOLDER = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class UniverseSettings:
    """What determines a run."""

    seed: int = 1
    hours: float = 0.1
    faults: tuple[str, ...] | None = None
    """Names of the faults that may occur; None: the seed chooses."""


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


def run_universe(settings: UniverseSettings, configuration: Configuration | None = None) -> UniverseResult:
    """Run a world for so long as the settings say, then without faults until everything holds; return what came of it."""
    result = UniverseResult(settings.seed)
    started = time.process_time()
    marks.reset()
    folder = STORE_FOLDER if STORE_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="opensqt-simulation-", dir=folder) as store:
        world = World(WorldSettings(configuration or load(DEFAULT_FILE), settings.seed), Path(store))
        world.run(_Universe(settings, result).run)
    result.marks = marks.counts()
    result.simulated_s = world.loop.true_time()
    result.digest = _digest(world)
    result.cpu_s = time.process_time() - started
    return result


class _Universe:
    def __init__(self, settings: UniverseSettings, result: UniverseResult) -> None:
        self._settings = settings
        self._result = result

    async def run(self, world: World, bus: Bus) -> None:
        await asyncio.sleep(self._settings.hours * 3600)
        await post_admin(world.venue_url, "market", {"halted": True})
        found = await self._settle(world, bus)
        self._result.problems += [f"{name}: {text}" for name, texts in found.items() for text in texts]

    async def _settle(self, world: World, bus: Bus) -> dict[str, list[str]]:
        recorders = [HistoryRecorder(entry) for entry in world.settings.configuration.symbols]
        end = world.loop.true_time() + SETTLE_S
        while True:
            try:
                venue = await fetch_venue_history(world.venue_url)
                for recorder in recorders:
                    await recorder.record(bus)
                found = violations([recorder.history for recorder in recorders], venue)
            except BusError as error:
                found = {"the bus can be read": [str(error)]}
            if not any(found.values()) or world.loop.true_time() > end:
                return found
            await bus.publish(f"sweep.{world.settings.configuration.venue.venue}", b"")
            await asyncio.sleep(POLL_S)


def _digest(world: World) -> str:
    found = hashlib.sha256()
    for name, stream in sorted(world.model.streams.items()):
        for stored in stream.store.messages.values():
            text = (name, stored.subject, stored.sequence, stored.time_ns, stored.headers, stored.data)
            found.update(repr(text).encode())
    return found.hexdigest()
