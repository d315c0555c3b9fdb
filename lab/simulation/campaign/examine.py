"""One run of a campaign, in a process of its own."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from cli.config.file import Configuration
from lab.simulation.faults.schedule import plan
from lab.simulation.universe import UniverseResult, UniverseSettings, run_universe
from lab.simulation.world.world import World

RUNS_PER_PROCESS = 10
"""The hosts that crash in a run keep their memory until the process ends."""
ENDED = "the run comes to its end"


def examine(
    settings: UniverseSettings,
    configuration: Configuration | None = None,
    on_end: Callable[[World], None] = lambda world: None,
) -> UniverseResult:
    """Run a universe as `run_universe`; an error of the simulation itself is a problem of the result."""
    try:
        return run_universe(settings, configuration, on_end)
    except Exception as error:  # noqa: BLE001 - one failing run must not end the campaign
        result = UniverseResult(settings.seed)
        result.problems.append(f"{ENDED}: {type(error).__name__}: {error}")
        return result


def pool(jobs: int) -> ProcessPoolExecutor:
    """Return `jobs` processes for `examine`."""
    return ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=RUNS_PER_PROCESS)


def proofs(problems: Iterable[str]) -> set[str]:
    """Return the names of what did not hold."""
    return {problem.partition(": ")[0] for problem in problems}


def command(settings: UniverseSettings) -> str:
    """Return the command that repeats a run."""
    faults = settings.faults
    if faults is None:
        faults = tuple(dict.fromkeys(each.fault.name for each in plan(settings.seed, settings.hours * 3600)))
    hours = "" if settings.hours == UniverseSettings().hours else f" --hours {settings.hours:g}"
    return f"./opensqt simulate --seed {settings.seed}{hours} --faults {','.join(faults) or 'none'}"
