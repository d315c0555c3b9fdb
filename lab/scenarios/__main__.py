"""Command line of `opensqt scenario`: arguments and output."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
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
from lab.scenarios.batch import PROGRESS_S, simulate
from lab.scenarios.processes import run_on_processes
from lab.scenarios.runner import Scenario, ScenarioResult

ALL = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named scenarios and return the exit code: 0 when all passed."""
    options = _parse(arguments)
    if not {LEVEL_VARIABLE, OLD_LEVEL_VARIABLE} & os.environ.keys():
        configure_log(level="error")
    named = {scenario.name: scenario for scenario in SCENARIOS}
    chosen = SCENARIOS if ALL in options.name else tuple(named[name] for name in dict.fromkeys(options.name))
    output = Output(len(chosen), is_json=options.json)
    if options.real:
        asyncio.run(_run_real(chosen, output))
    else:
        names = [scenario.name for scenario in chosen]
        with closing(simulate(names, options.seed, options.jobs, output.progress)) as results:
            for result in results:
                output.show(result)
    return output.end()


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


async def _run_real(chosen: Sequence[Scenario], output: "Output") -> None:
    for scenario in chosen:
        with tempfile.TemporaryDirectory(prefix="opensqt-scenario-") as folder:
            data = DataDir(Path(folder))
            with data.hold():
                try:
                    async with background_task(_report_progress(output), "progress"):
                        result = await run_on_processes(scenario, load(DEFAULT_FILE), data)
                except (CommandError, BusError) as error:
                    result = ScenarioResult(scenario.name, problems=[str(error)])
        output.show(result)


async def _report_progress(output: "Output") -> None:
    while True:
        output.progress(output.finished)
        await asyncio.sleep(PROGRESS_S)


class Output:
    """Prints the results: for people, or as one JSON object each."""

    def __init__(self, count: int, *, is_json: bool) -> None:
        self.finished = 0
        self._count = count
        self._is_json = is_json
        self._console = Console(sys.stderr if is_json else sys.stdout)
        self._started_s = monotonic_s()
        self._failed = 0

    def progress(self, finished: int) -> None:
        """Show how many scenarios have finished, and for how long they run."""
        self._console.progress(
            f"  {finished} of {self._count} finished, {monotonic_s() - self._started_s:.0f} s"
        )

    def show(self, result: ScenarioResult) -> None:
        """Print a result."""
        self.finished += 1
        self._failed += bool(result.problems)
        if self._is_json:
            sys.stdout.write(f"{msgspec.json.encode(result).decode()}\n")
            sys.stdout.flush()
            return
        summary = next(scenario.summary for scenario in SCENARIOS if scenario.name == result.name)
        problems = [f"PROBLEM  {problem}" for problem in result.problems]
        self._console.print(f"{result.name}: {summary}")
        for line in (*result.events, *problems, _last_line(result)):
            self._console.print(f"  {line}")

    def end(self) -> int:
        """Print how many scenarios passed, and return the exit code."""
        self._console.end_progress()
        if not self._is_json:
            passed = self.finished - self._failed
            took_s = monotonic_s() - self._started_s
            self._console.print(f"{passed} of {self.finished} scenarios passed in {took_s:.0f} s")
        return 1 if self._failed else 0


def _last_line(result: ScenarioResult) -> str:
    outcome = "failed" if result.problems else "passed"
    if not result.digest:
        return f"{outcome}, {result.elapsed_s:.0f} s"
    time = f"{result.simulated_s:.0f} simulated seconds in {result.elapsed_s:.0f} s"
    return f"{outcome}, {time}, digest {result.digest[:12]}"


if __name__ == "__main__":
    sys.exit(run_closable(main))
