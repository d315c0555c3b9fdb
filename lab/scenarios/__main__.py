"""Command line of `opensqt scenario`: arguments and output."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cli.background import background_task
from cli.config.file import DEFAULT_FILE, load
from cli.console import Console, run_closable
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from lab.scenarios import SCENARIOS
from lab.scenarios.runner import Scenario, ScenarioResult, run_scenario

ALL = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named scenarios and return the exit code: 0 when all passed."""
    parser = argparse.ArgumentParser(
        prog="opensqt scenario",
        description="Trigger guards, each on a stack of its own with a simulated market, and check the reaction. A scenario "
        "takes from a quarter of a minute to some minutes; your running stack is not touched.",
        epilog="\n".join(f"  {scenario.name:20} {scenario.summary}" for scenario in SCENARIOS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = {scenario.name: scenario for scenario in SCENARIOS}
    parser.add_argument(
        "name", nargs="+", choices=[*names, ALL], metavar="NAME", help="a scenario of the list below, or all"
    )
    args = parser.parse_args(arguments)
    os.environ.setdefault("OPENSQT_LOG", "error")
    chosen = SCENARIOS if ALL in args.name else tuple(names[name] for name in dict.fromkeys(args.name))
    console = Console()
    failed = [scenario.name for scenario in chosen if not _run(scenario, console)]
    console.print(f"{len(chosen) - len(failed)} of {len(chosen)} scenarios passed")
    return 1 if failed else 0


async def _run_with_progress(scenario: Scenario, data: DataDir, console: Console) -> ScenarioResult:
    async with background_task(_show_time(console), "progress"):
        try:
            return await run_scenario(scenario, load(DEFAULT_FILE), data)
        finally:
            console.end_progress()


async def _show_time(console: Console) -> None:
    started = time.monotonic()
    while True:
        console.progress(f"  running for {time.monotonic() - started:.0f} s")
        await asyncio.sleep(1)


def _run(scenario: Scenario, console: Console) -> bool:
    console.print(f"{scenario.name}: {scenario.summary}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="opensqt-scenario-") as folder:
        data = DataDir(Path(folder))
        try:
            with data.hold():
                result = asyncio.run(_run_with_progress(scenario, data, console))
        except CommandError as error:
            console.print(f"  error: {error}")
            return False
    for line in result.events:
        console.print(f"  {line}")
    for problem in result.problems:
        console.print(f"  PROBLEM  {problem}")
    console.print(f"  {'failed' if result.problems else 'passed'}, {time.monotonic() - started:.0f} s")
    return not result.problems


if __name__ == "__main__":
    sys.exit(run_closable(main))
