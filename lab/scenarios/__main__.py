"""Command line of `opensqt scenario`: arguments and output."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from bus import BusError
from bus.log import LEVEL_VARIABLE, OLD_LEVEL_VARIABLE, configure_log
from bus.runtime import monotonic_s
from cli.background import background_task
from cli.config.file import DEFAULT_FILE, load
from cli.console import Console, run_closable
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from lab.scenarios import SCENARIOS
from lab.scenarios.batch import Batch
from lab.scenarios.processes import run_on_processes
from lab.scenarios.runner import Scenario, ScenarioResult
from lab.scenarios.simulated import run_simulated

ALL = "all"
PROGRESS_S = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named scenarios and return the exit code: 0 when all passed."""
    options = _parse(arguments)
    if not {LEVEL_VARIABLE, OLD_LEVEL_VARIABLE} & os.environ.keys():
        configure_log(level="error")
    names = {scenario.name: scenario for scenario in SCENARIOS}
    chosen = SCENARIOS if ALL in options.name else tuple(names[name] for name in dict.fromkeys(options.name))
    if len(chosen) == 1 and not options.real:
        # In this process. Of several, each has a process of its own, which gets here.
        results = [run_simulated(chosen[0], load(DEFAULT_FILE), options.seed)]
        _show(results[0], options, Console())
    else:
        results = asyncio.run(_run(chosen, options))
    failed = [result.name for result in results if result.problems]
    if not options.json:
        Console().print(f"{len(chosen) - len(failed)} of {len(chosen)} scenarios passed")
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="opensqt scenario",
        description="Trigger guards and check the reaction. Each scenario runs in a simulation of the whole system, with "
        "virtual time and the same outcome every time, or with --real on processes of its own, for up to some minutes "
        "each. Your running stack is not touched.",
        epilog="scenarios:\n"
        + "\n".join(f"  {scenario.name:20} {scenario.summary}" for scenario in SCENARIOS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(scenario.name for scenario in SCENARIOS), ALL]
    parser.add_argument(
        "name", nargs="+", choices=names, metavar="NAME", help="a scenario of the list below, or all"
    )
    parser.add_argument(
        "--real", action="store_true", help="run on real processes, in real time, one after the other"
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of the simulation: delays and the order of what happens at the same time (default: 1)",
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="number of simulations at the same time (default: one for each core)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for each scenario")
    options = parser.parse_args(arguments)
    if options.real and (options.seed is not None or options.jobs is not None):
        parser.error("--seed and --jobs are options of the simulation: they cannot be used with --real")
    options.seed = 1 if options.seed is None else options.seed
    options.jobs = options.jobs or os.cpu_count() or 1
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


async def _run(chosen: Sequence[Scenario], options: argparse.Namespace) -> list[ScenarioResult]:
    console = Console(sys.stderr) if options.json else Console()
    results = []
    batch = Batch([scenario.name for scenario in chosen], options.seed, options.jobs)
    running = _run_real(chosen) if options.real else batch.run()
    async with background_task(_show_progress(console, results, len(chosen)), "progress"):
        try:
            async with aclosing(running) as finished:
                async for result in finished:
                    results.append(result)
                    _show(result, options, console)
        finally:
            console.end_progress()
    return results


async def _run_real(chosen: Sequence[Scenario]) -> AsyncIterator[ScenarioResult]:
    for scenario in chosen:
        with tempfile.TemporaryDirectory(prefix="opensqt-scenario-") as folder:
            data = DataDir(Path(folder))
            with data.hold():
                try:
                    yield await run_on_processes(scenario, load(DEFAULT_FILE), data)
                except (CommandError, BusError) as error:
                    yield ScenarioResult(scenario.name, problems=[str(error)])


async def _show_progress(console: Console, results: Sequence[ScenarioResult], count: int) -> None:
    started_s = monotonic_s()
    while True:
        console.progress(f"  {len(results)} of {count} finished, {monotonic_s() - started_s:.0f} s")
        await asyncio.sleep(PROGRESS_S)


def _show(result: ScenarioResult, options: argparse.Namespace, console: Console) -> None:
    if options.json:
        sys.stdout.write(f"{msgspec.json.encode(result).decode()}\n")
        return
    summary = next(scenario.summary for scenario in SCENARIOS if scenario.name == result.name)
    console.print(f"{result.name}: {summary}")
    for line in result.events:
        console.print(f"  {line}")
    for problem in result.problems:
        console.print(f"  PROBLEM  {problem}")
    time = (
        f"{result.simulated_s:.0f} simulated s in {result.elapsed_s:.0f} s"
        if result.digest
        else f"{result.elapsed_s:.0f} s"
    )
    digest = f", digest {result.digest[:12]}" if result.digest else ""
    console.print(f"  {'failed' if result.problems else 'passed'}, {time}{digest}")


if __name__ == "__main__":
    sys.exit(run_closable(main))
