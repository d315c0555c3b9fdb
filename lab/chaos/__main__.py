"""`opensqt verify`: argument parsing and output."""

import argparse
import asyncio
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cli.config.file import DEFAULT_FILE, load
from cli.console import Console, run_closable
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import StackSettings
from cli.stack.supervisor import SupervisorTimings
from lab.chaos import losses_command, viewers_command
from lab.chaos.report import counts_text, proof_lines
from lab.chaos.runner import (
    ChaosResult,
    ChaosSettings,
    all_targets,
    run_chaos,
    selected_targets,
    with_volatile_market,
)

DEFAULT_FAULTS = 16
DEFAULT_PAUSE_S = 30.0
OTHER_TESTS = (
    ("--viewers", "N", "test the live servers alone instead, with N viewers: see `verify --viewers --help`"),
    ("--losses", "KIND,...", "test lost streams and buckets instead: see `verify --losses --help`"),
)
"""Options that select another test with options of its own."""
TIMINGS = SupervisorTimings(max_delay_s=1.0, stage_stop_s=2.0, stop_s=6.0)
"""Short restart delays, so that a process killed often is soon there to be killed again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `verify`; return 0 when every proof holds, 1 when one is broken, 2 when the run failed to start."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(word.partition("=")[0] == "--viewers" for word in given):
        return viewers_command.main(given)
    if any(word.partition("=")[0] == "--losses" for word in given):
        return losses_command.main(given)
    parser = _parser()
    args = parser.parse_args(given)
    if args.pause_for is not None and not args.pauses:
        parser.error("--pause-for is the length of a pause: it needs --pauses")
    args.pause_for = DEFAULT_PAUSE_S if args.pause_for is None else args.pause_for
    if (args.kills or 0) < 0 or args.minutes < 0 or args.every <= 0 or args.pause_for <= 0:
        raise SystemExit("verify: --kills and --minutes must be 0 or more, --every and --pause-for above 0")
    console = Console()
    root = args.data_dir or Path(tempfile.mkdtemp(prefix="opensqt-verify-"))
    data = DataDir(root.absolute())
    try:
        with data.hold():
            result = asyncio.run(_run(args, data, console))
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for line in _result_lines(result):
        console.print(line)
    if not result.holds:
        console.print(f"data kept in {data.root}")
        console.print(f"repeat with: {_repeat_command(given, args.seed)}")
        return 1
    if args.data_dir is None:
        shutil.rmtree(root, ignore_errors=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensqt verify",
        description="Kill processes at random under injected faults, then check the run against proofs such as:"
        " the accounts match the venue, no order id was sent twice.",
    )
    for option, metavar, text in OTHER_TESTS:
        parser.add_argument(option, metavar=metavar, help=text)
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_FILE, help="configuration (default: the built-in example)"
    )
    parser.add_argument(
        "--kills",
        type=int,
        metavar="N",
        help=f"minimum number of faults (default: {DEFAULT_FAULTS}; with --minutes: as many as fit)",
    )
    parser.add_argument(
        "--minutes", type=float, default=0.0, metavar="M", help="minimum duration of the faults"
    )
    parser.add_argument(
        "--every", type=float, default=3.0, metavar="S", help="mean seconds between faults (%(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="the same seed gives the same faults at the same times (%(default)s)",
    )
    parser.add_argument(
        "--engines", type=int, default=2, choices=range(1, 10), metavar="N", help="engine processes (2)"
    )
    parser.add_argument(
        "--gateways", type=int, default=2, choices=range(1, 10), metavar="N", help="gateway processes (2)"
    )
    parser.add_argument(
        "--nodes", type=int, default=1, choices=(1, 3), help="bus servers; 3 form a cluster (1)"
    )
    parser.add_argument(
        "--pauses", action="store_true", help="also pause processes, which resume with stale state"
    )
    parser.add_argument(
        "--pause-for",
        type=float,
        metavar="S",
        help=f"with --pauses: seconds of a pause ({DEFAULT_PAUSE_S:g})",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="NAME,...",
        help="only hit processes whose names begin with these, for example engine,gateway-1",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="data directory (default: a temporary one, deleted unless a proof is broken)",
    )
    return parser


async def _run(args: argparse.Namespace, data: DataDir, console: Console) -> ChaosResult:
    configuration = load(args.config)
    if len(configuration.venues) > 1:
        raise CommandError(f"verify examines one venue, {args.config} has {configuration.venue_names}")
    stack_settings = StackSettings(
        configuration=with_volatile_market(configuration),
        data=data,
        bus_port=find_free_port(args.nodes),
        http_port=find_free_port(),
        timings=TIMINGS,
        engines=args.engines,
        gateways=args.gateways,
        nodes=args.nodes,
    )
    kills = (0 if args.minutes else DEFAULT_FAULTS) if args.kills is None else args.kills
    settings = ChaosSettings(
        seed=args.seed,
        kills=kills,
        minutes=args.minutes,
        every_s=args.every,
        pause_s=args.pause_for if args.pauses else 0.0,
        only=tuple(filter(None, args.only.split(","))),
    )
    if not selected_targets(stack_settings, settings):
        raise CommandError(
            f"--only {args.only}: no process has such a name; choose from {', '.join(all_targets(stack_settings))}"
        )
    return await run_chaos(stack_settings, settings, console.print)


def _result_lines(result: ChaosResult) -> list[str]:
    lines = [
        f"settled after {result.settled_s:.1f} s",
        f"  killed:    {counts_text(result.kills)}",
        f"  paused:    {counts_text(result.pauses)}",
        f"  restarted: {counts_text(result.restarts)}",
    ]
    for history in result.histories:
        kinds = Counter("claims" if step.is_claim else "steps" for step in history.steps)
        lines.append(
            f"  {history.symbol}: {kinds['steps']} steps, {len(history.decisions)} decisions,"
            f" {len(history.intents)} intents, {len(history.fills)} fills;"
            f" {kinds['claims']} engine takeovers, {history.gateway_takeovers} gateway takeovers"
            f" ({history.takeover_queries} unresolved orders queried)"
        )
    accounts, arrivals = result.venue
    lines.append(
        f"  venue: {len(arrivals)} orders received, {len(accounts.orders)} accepted, {len(accounts.trades)} trades"
    )
    for name, found in result.violations.items():
        lines += proof_lines(name, found)
    return lines


def _repeat_command(given: Sequence[str], seed: int) -> str:
    seeded = [] if any(word.partition("=")[0] == "--seed" for word in given) else ["--seed", str(seed)]
    return shlex.join(["./opensqt", "verify", *given, *seeded])


if __name__ == "__main__":
    sys.exit(run_closable(main))
