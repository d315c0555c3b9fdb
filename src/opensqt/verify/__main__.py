"""`opensqt verify`: argument parsing, and what is printed."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from opensqt.config import DEFAULT_FILE, load
from opensqt.console import Console
from opensqt.data_dir import DataDir
from opensqt.errors import CommandError
from opensqt.listening import any_free
from opensqt.stack import StackSettings
from opensqt.verify.laboratory import TARGETS, Outcome, experiment, plan


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the laboratory and return 0 when every proof holds."""
    parser = argparse.ArgumentParser(
        prog="opensqt verify",
        description="Kills each part in turn under injected faults, then compares everything with the venue's books.",
    )
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_FILE, help="what is traded (the built-in example)"
    )
    parser.add_argument(
        "--kills", type=int, default=len(TARGETS), help="how many parts are killed (%(default)s)"
    )
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between kills, about (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="repeats the same kills and faults (%(default)s)")
    parser.add_argument("--data-dir", type=Path, help="where the run is kept (a temporary directory)")
    args = parser.parse_args(arguments)
    if args.kills < 0 or args.pause <= 0:
        parser.error("--kills is 0 or more, --pause above 0")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="opensqt-verify-") as folder:
        data = DataDir(args.data_dir or Path(folder))
        try:
            with data.hold():
                outcome = asyncio.run(_run(args, data, console))
        except CommandError as error:
            sys.stderr.write(f"error: {error}\n")
            return 2
    _print(outcome, args.seed, console)
    return 0 if outcome.holds else 1


async def _run(args: argparse.Namespace, data: DataDir, console: Console) -> Outcome:
    settings = StackSettings(
        configuration=load(args.config), data=data, bus_port=any_free(), http_port=any_free()
    )
    return await experiment(settings, plan(args.kills, args.seed, args.pause), args.seed, console.say)


def _print(outcome: Outcome, seed: int, console: Console) -> None:
    console.say(f"settled after {outcome.settled_s:.1f} s; restarts: {_counts(outcome.restarts)}")
    for trail in outcome.trails:
        console.say(
            f"  {trail.symbol}: {len(trail.steps)} steps and claims, {len(trail.intents)} intents,"
            f" {len(trail.fills)} fills, epoch {trail.steps[-1].epoch}"
        )
    console.say(f"  the venue: {len(outcome.books.orders)} orders, {len(outcome.books.trades)} trades")
    for name, found in outcome.contradictions.items():
        console.say(f"  {'holds ' if not found else 'BROKEN'}  {name}")
        for text in found[:20]:
            console.say(f"          {text}")
    if not outcome.holds:
        console.say(f"repeat with: ./opensqt verify --seed {seed}")


def _counts(restarts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in restarts.items() if count) or "none"


if __name__ == "__main__":
    sys.exit(main())
