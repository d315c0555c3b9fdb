"""One run of a campaign, in a process of its own."""

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, redirect_stderr
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

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
    *,
    is_logging: bool = False,
) -> UniverseResult:
    """Run a universe as `run_universe`; an error of the simulation itself is a problem of the result.

    The parts log nothing unless `is_logging`.
    """
    try:
        with ExitStack() as stack:
            if not is_logging:
                stack.enter_context(redirect_stderr(stack.enter_context(Path(os.devnull).open("w"))))
            return run_universe(settings, configuration, on_end)
    except Exception as error:  # noqa: BLE001 - one failing run must not end the campaign
        result = UniverseResult(settings.seed)
        result.problems.append(f"{ENDED}: {type(error).__name__}: {error}")
        return result


def pool(jobs: int) -> Pool:
    """Return `jobs` processes for `examine`, which are replaced after some runs."""
    # Not an executor of concurrent.futures: with `max_tasks_per_child` it may wait for ever (cpython 115634).
    return get_context("spawn").Pool(jobs, maxtasksperchild=RUNS_PER_PROCESS)


def proofs(problems: Iterable[str]) -> set[str]:
    """Return the names of what did not hold."""
    return {problem.partition(": ")[0] for problem in problems}


def command(settings: UniverseSettings) -> str:
    """Return the command that repeats a run."""
    faults = settings.faults
    if faults is None:
        chosen = plan(settings.seed, settings.hours * 3600, pace=settings.pace)
        faults = tuple(dict.fromkeys(each.fault.name for each in chosen))
    hours = "" if settings.hours == UniverseSettings().hours else f" --hours {settings.hours:g}"
    pace = "" if settings.pace == 1 else f" --pace {settings.pace:g}"
    return f"./opensqt simulate --seed {settings.seed}{hours}{pace} --faults {','.join(faults) or 'none'}"
