"""`opensqt verify`: argument parsing, and what is printed."""

import argparse
import asyncio
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.config.file import DEFAULT_FILE, load
from cli.console import Console
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from cli.stack.ports import any_free
from cli.stack.stack import StackSettings
from cli.stack.supervisor import Patience
from lab.chaos import viewers
from lab.chaos.runner import Outcome, Trial, experiment, lively, struck, targets

KILLS = 16
MOST_TOLD = 20
PATIENCE = Patience(longest=1.0, stage=2.0, stop=6.0)
"""What dies often is there again soon, or there would be nothing to kill."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the laboratory; return 0 when every proof holds, 1 when one does not, 2 when it could not run."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(word.partition("=")[0] == "--viewers" for word in given):
        return viewers.main(given)
    args = _parser().parse_args(given)
    if (args.kills or 0) < 0 or args.minutes < 0 or args.every <= 0 or args.pause_for <= 0:
        raise SystemExit("verify: --kills and --minutes are 0 or more, --every and --pause-for above 0")
    console = Console()
    root = args.data_dir or Path(tempfile.mkdtemp(prefix="opensqt-verify-"))
    data = DataDir(root.absolute())
    try:
        with data.hold():
            outcome = asyncio.run(_run(args, data, console))
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    _print(outcome, console)
    if not outcome.holds:
        console.say(f"kept: {data.root}")
        console.say(f"repeat with: {_command(given, args.seed)}")
        return 1
    if args.data_dir is None:
        shutil.rmtree(root, ignore_errors=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensqt verify",
        description="Kills parts at random under injected faults, then compares everything with the venue's books.",
        epilog="`verify --viewers N` is another trial, of the live servers: see `verify --viewers 1 --help`.",
    )
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_FILE, help="what is traded (the built-in example)"
    )
    parser.add_argument(
        "--kills", type=int, help=f"deal so many blows ({KILLS}, or as many as fit into --minutes)"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for so long")
    parser.add_argument(
        "--every", type=float, default=3.0, metavar="S", help="seconds between blows, about (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="repeats the same blows and faults (%(default)s)")
    parser.add_argument(
        "--engines", type=int, default=2, choices=range(1, 10), metavar="N", help="default: 2"
    )
    parser.add_argument(
        "--gateways", type=int, default=2, choices=range(1, 10), metavar="N", help="default: 2"
    )
    parser.add_argument(
        "--nodes", type=int, default=1, choices=(1, 3), help="servers of the bus; several are a cluster"
    )
    parser.add_argument("--pauses", action="store_true", help="also pause parts, which come back stale")
    parser.add_argument(
        "--pause-for", type=float, default=30.0, metavar="S", help="seconds of a pause (%(default)s)"
    )
    parser.add_argument(
        "--only", default="", metavar="PART,...", help="strike only those: engine,gateway-1 for instance"
    )
    parser.add_argument(
        "--data-dir", type=Path, help="where the run is kept (a temporary directory, kept on failure)"
    )
    return parser


async def _run(args: argparse.Namespace, data: DataDir, console: Console) -> Outcome:
    settings = StackSettings(
        configuration=lively(load(args.config)),
        data=data,
        bus_port=any_free(args.nodes),
        http_port=any_free(),
        patience=PATIENCE,
        engines=args.engines,
        gateways=args.gateways,
        nodes=args.nodes,
    )
    kills = (0 if args.minutes else KILLS) if args.kills is None else args.kills
    trial = Trial(
        seed=args.seed,
        kills=kills,
        minutes=args.minutes,
        every_s=args.every,
        pause_s=args.pause_for if args.pauses else 0.0,
        only=tuple(filter(None, args.only.split(","))),
    )
    if not struck(settings, trial):
        raise CommandError(f"--only {args.only}: there are {', '.join(targets(settings))}")
    return await experiment(settings, trial, console.say)


def _print(outcome: Outcome, console: Console) -> None:
    console.say(f"settled after {outcome.settled_s:.1f} s")
    console.say(f"  killed:    {_counts(outcome.kills)}")
    console.say(f"  paused:    {_counts(outcome.pauses)}")
    console.say(f"  restarted: {_counts(outcome.restarts)}")
    for trail in outcome.trails:
        kinds = Counter("claims" if step.is_claim else "steps" for step in trail.steps)
        console.say(
            f"  {trail.symbol}: {kinds['steps']} steps, {len(trail.decided)} decisions,"
            f" {len(trail.intents)} intents, {len(trail.fills)} fills;"
            f" engines took over {kinds['claims']} times, gateways {trail.takeovers} times"
            f" with {trail.queries} orders to ask for"
        )
    books, arrivals = outcome.venue
    console.say(
        f"  the venue: {len(arrivals)} orders sent, {len(books.orders)} accepted, {len(books.trades)} trades"
    )
    for name, found in outcome.contradictions.items():
        console.say(f"  {'holds ' if not found else 'BROKEN'}  {name}")
        for text in found[:MOST_TOLD]:
            console.say(f"          {text}")
        if len(found) > MOST_TOLD:
            console.say(f"          and {len(found) - MOST_TOLD} more")


def _command(given: Sequence[str], seed: int) -> str:
    seeded = [] if any(word.partition("=")[0] == "--seed" for word in given) else ["--seed", str(seed)]
    return shlex.join(["./opensqt", "verify", *given, *seeded])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"


if __name__ == "__main__":
    sys.exit(main())
