"""`opensqt scenario`: argument parsing, and what is printed."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cli.config.file import DEFAULT_FILE, load
from cli.console import Console
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from lab.scenarios.plays import PLAYS
from lab.scenarios.runner import Scenario, perform

EVERY = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform scenarios and return 0 when all was seen that had to be."""
    parser = argparse.ArgumentParser(
        prog="opensqt scenario",
        description="Shows on the running stack what each guard does when it matters.",
        epilog="\n".join(f"  {play.name:20} {play.summary}" for play in PLAYS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = {play.name: play for play in PLAYS}
    parser.add_argument("name", nargs="+", choices=[*names, EVERY], metavar="NAME", help="one below, or all")
    args = parser.parse_args(arguments)
    os.environ.setdefault("OPENSQT_LOG", "error")
    chosen = PLAYS if EVERY in args.name else tuple(names[name] for name in dict.fromkeys(args.name))
    console = Console()
    failed = [play.name for play in chosen if not _perform(play, console)]
    console.say(f"{len(chosen) - len(failed)} of {len(chosen)} scenarios went as they should")
    return 1 if failed else 0


def _perform(play: Scenario, console: Console) -> bool:
    console.say(f"{play.name}: {play.summary}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="opensqt-scenario-") as folder:
        data = DataDir(Path(folder))
        try:
            with data.hold():
                verdict = asyncio.run(perform(play, load(DEFAULT_FILE), data))
        except CommandError as error:
            console.say(f"  error: {error}")
            return False
    for line in verdict.lines:
        console.say(f"  {line}")
    for problem in verdict.problems:
        console.say(f"  WRONG  {problem}")
    console.say(
        f"  {'not as it should be' if verdict.problems else 'as it should be'}, {time.monotonic() - began:.0f} s"
    )
    return not verdict.problems


if __name__ == "__main__":
    sys.exit(main())
