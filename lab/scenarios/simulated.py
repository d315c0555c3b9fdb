"""Runs a scenario in a simulated world, in virtual time: equal seeds give equal events."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from bus import Bus
from bus.runtime import monotonic_s
from cli.config.file import Configuration
from lab.scenarios.runner import Scenario, ScenarioResult, play
from lab.scenarios.stack import RunningPart
from lab.simulation.world.world import World, WorldEnded, WorldSettings

DEADLINE_S = 900.0
"""Simulated seconds after which a scenario is ended: several times what the longest one takes."""
MEMORY_FOLDER = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class SimulatedStack:
    """A world with one engine and one gateway, as a stack."""

    world: World
    bus: Bus

    @property
    def venue_url(self) -> str:
        return self.world.venue_url

    def part(self, name: str) -> RunningPart:
        parts = self.world.parts
        return parts[name] if name in parts else parts[f"{name}-1"]


def run_simulated(
    scenario: Scenario, configuration: Configuration, seed: int = 1, deadline_s: float = DEADLINE_S
) -> ScenarioResult:
    """Run a scenario in a world of its own, for at most `deadline_s` simulated seconds.

    Events are equal between processes, not between runs of one process.
    """
    configured = scenario.configure(configuration)
    started_s = monotonic_s()
    settings = WorldSettings(configured, seed, deadline_s=deadline_s, ends_on_failure=True)
    folder = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="opensqt-scenario-", dir=folder) as store:
        world = World(settings, Path(store))
        try:
            result = world.run(lambda world, bus: play(scenario, SimulatedStack(world, bus), configured))
        except WorldEnded as error:
            result = ScenarioResult(scenario.name, [str(error)])
        result.simulated_s = world.loop.true_time()
        result.elapsed_s = monotonic_s() - started_s
        result.digest = world.digest()
        return result
