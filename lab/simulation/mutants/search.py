"""Look for mutants: run seeds with each until a proof fails."""

from collections.abc import Iterable
from dataclasses import dataclass

from lab.simulation.campaign.examine import examine
from lab.simulation.mutants.clocks import MUTANTS as CLOCKS
from lab.simulation.mutants.gateways import MUTANTS as GATEWAYS
from lab.simulation.mutants.journals import MUTANTS as JOURNALS
from lab.simulation.mutants.mutant import Mutant
from lab.simulation.mutants.readers import MUTANTS as READERS
from lab.simulation.mutants.world import mutant_configuration
from lab.simulation.universe import UniverseResult, UniverseSettings

HOURS = 0.01
"""Simulated hours of each run under faults."""

MUTANTS: dict[str, Mutant] = {each.name: each for each in (*JOURNALS, *GATEWAYS, *READERS, *CLOCKS)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of the search for a mutant."""

    name: str
    seeds: int
    """Number of seeds that were run."""
    problem: str = ""
    """What did not hold with the last seed; empty when the mutant was not found."""
    simulated_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def is_found(self) -> bool:
        return bool(self.problem)


def run_with(mutant: Mutant, seed: int, hours: float = HOURS) -> UniverseResult:
    """Run one seed with a mutant, under the faults that it needs."""
    with mutant.apply():
        return run_without(mutant, seed, hours)


def run_without(mutant: Mutant, seed: int, hours: float = HOURS) -> UniverseResult:
    """Run one seed under the faults that a mutant needs, without it."""
    return examine(UniverseSettings(seed, hours, mutant.faults), mutant_configuration(seed))


def search(name: str, seeds: Iterable[int]) -> Finding:
    """Run seeds with a mutant until a proof fails."""
    count, simulated_s, cpu_s = 0, 0.0, 0.0
    for seed in seeds:
        result = run_with(MUTANTS[name], seed)
        count, simulated_s, cpu_s = count + 1, simulated_s + result.simulated_s, cpu_s + result.cpu_s
        if result.problems:
            return Finding(name, count, result.problems[0], simulated_s, cpu_s)
    return Finding(name, count, "", simulated_s, cpu_s)
