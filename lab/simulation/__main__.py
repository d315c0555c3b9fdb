"""Command line of `opensqt simulate`: arguments and output."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bus.log import configure_log
from bus.marks import missing
from cli.config.file import Configuration, load
from cli.console import Console, run_closable, table
from cli.errors import CommandError
from lab.simulation.campaign.corpus import (
    CORPUS_FILE,
    KNOWN_FILE,
    NO_FAULTS,
    add_to_corpus,
    parse_faults,
    read_corpus,
)
from lab.simulation.campaign.examine import command, examine, proofs
from lab.simulation.campaign.runner import Campaign, CampaignResult
from lab.simulation.faults.schedule import FAULTS, UnknownFault
from lab.simulation.replay import serve_page
from lab.simulation.universe import UniverseResult, UniverseSettings
from lab.simulation.world.world import World

HELD, FAILED, UNUSABLE = 0, 1, 2
"""Exit codes: every proof holds, one does not, the arguments are wrong."""
MAX_JOBS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `simulate`; return 0 when every proof holds, 1 when one does not, 2 when the arguments are wrong."""
    parser = _parser()
    args = parser.parse_args(arguments)
    _check(parser, args)
    configure_log(level="info" if args.log else "error")
    # With --json the standard output is the one object.
    console = Console(sys.stderr if args.json else None)
    try:
        configuration = load(args.configuration) if args.configuration else None
        if args.campaign or args.corpus:
            return _campaign(args, configuration, console)
        return _single(args, configuration, console)
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        return UNUSABLE


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.hours <= 0:
        parser.error("--hours must be above 0")
    if args.pace < 1:
        parser.error("--pace must be 1 or more")
    if args.campaign is not None and args.campaign < 1:
        parser.error("--campaign must be 1 or more")
    if not 1 <= args.jobs <= MAX_JOBS:
        parser.error(f"--jobs must be 1 to {MAX_JOBS}")
    if args.page is not None and (args.campaign or args.corpus):
        parser.error("--page shows one run: give its --seed, without --campaign and --corpus")
    if args.corpus and (args.campaign or args.faults is not None):
        parser.error("--corpus has seeds and faults of its own: leave --campaign and --faults out")
    try:
        args.faults = None if args.faults is None else parse_faults(args.faults)
    except UnknownFault as error:
        parser.error(f"--faults: {error}")


def _single(args: argparse.Namespace, configuration: Configuration | None, console: Console) -> int:
    settings = UniverseSettings(args.seed, args.hours, args.faults, args.pace)
    worlds: list[World] = []
    result = examine(settings, configuration, worlds.append, is_logging=args.log)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(_as_json(settings, result))).decode())
    else:
        for line in _lines(settings, result):
            console.print(line)
    if args.page is not None and worlds:
        serve_page(worlds[0].model, args.page, console.print)
    return FAILED if result.problems else HELD


def _campaign(args: argparse.Namespace, configuration: Configuration | None, console: Console) -> int:
    if args.corpus:
        runs = [entry.settings for entry in read_corpus(CORPUS_FILE)]
    else:
        seeds = range(args.seed, args.seed + args.campaign)
        runs = [UniverseSettings(seed, args.hours, args.faults, args.pace) for seed in seeds]
    campaign = Campaign(
        args.jobs, configuration, read_corpus(KNOWN_FILE), console.print, shrinks=not args.corpus
    )

    def show(total: CampaignResult) -> None:
        failed = f", {len(total.failures)} failed" if total.failures else ""
        console.progress(
            f"  {total.runs} of {len(runs)} runs, {total.simulated_s / 3600:.1f} h simulated{failed}"
        )

    total = campaign.run(runs, show)
    console.end_progress()
    unreached = missing(total.marks, least=args.marks) if args.marks else []
    if args.keep is not None:
        for failure in total.new_failures:
            add_to_corpus(args.keep, failure.settings, sorted(proofs(failure.problems)))
    if args.json:
        found = {**_campaign_as_json(total), "unreached_marks": unreached}
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        for line in _campaign_lines(total):
            console.print(line)
        if unreached:
            console.print(f"marks reached fewer than {args.marks} times: {', '.join(unreached)}")
    return FAILED if total.new_failures or unreached else HELD


def _as_json(settings: UniverseSettings, result: UniverseResult) -> dict[str, object]:
    return {
        "seed": result.seed,
        "digest": result.digest,
        **_speed(result.simulated_s, result.cpu_s),
        "problems": result.problems,
        "faults": dict(sorted(result.faults.items())),
        "marks": dict(sorted(result.marks.items())),
        "command": command(settings),
    }


def _campaign_as_json(total: CampaignResult) -> dict[str, object]:
    return {
        "runs": total.runs,
        "digests": {str(seed): digest for seed, digest in sorted(total.digests.items())},
        **_speed(total.simulated_s, total.cpu_s),
        "faults": dict(sorted(total.faults.items())),
        "marks": dict(sorted(total.marks.items())),
        "failures": [
            {
                "seed": each.settings.seed,
                "command": command(each.settings),
                "problems": each.problems,
                "known": each.known,
            }
            for each in total.failures
        ],
    }


def _speed(simulated_s: float, cpu_s: float) -> dict[str, float]:
    return {
        "simulated_hours": round(simulated_s / 3600, 4),
        "cpu_s": round(cpu_s, 2),
        "simulated_hours_per_cpu_hour": round(simulated_s / cpu_s, 1) if cpu_s else 0.0,
    }


def _speed_text(simulated_s: float, cpu_s: float) -> str:
    speed = _speed(simulated_s, cpu_s)
    return (
        f"{speed['simulated_hours']:g} h simulated in {speed['cpu_s']:g} s of CPU "
        f"({speed['simulated_hours_per_cpu_hour']:g} times real time)"
    )


def _lines(settings: UniverseSettings, result: UniverseResult) -> list[str]:
    lines = [
        f"seed {result.seed}: {_speed_text(result.simulated_s, result.cpu_s)}",
        f"digest {result.digest}",
        f"faults {_counts(result.faults)}",
    ]
    if not result.problems:
        return [*lines, "every proof holds"]
    lines += [f"FAILED {problem}" for problem in result.problems]
    return [*lines, f"repeat with: {command(settings)}", "show it with the same and --page 8888"]


def _campaign_lines(total: CampaignResult) -> list[str]:
    lines = [f"faults {_counts(total.faults)}"]
    if total.marks:
        lines.append(f"marks {_counts(total.marks)}")
    for failure in total.failures:
        verdict = f"known: {failure.known}" if failure.known else "FAILED"
        lines += [
            "",
            f"seed {failure.settings.seed} {verdict}",
            f"  repeat with: {command(failure.settings)}",
        ]
        lines += [f"  {problem}" for problem in failure.problems]
    new = len(total.new_failures)
    known = f", {len(total.failures) - new} known" if len(total.failures) > new else ""
    return [
        *lines,
        "",
        f"{total.runs} runs, {_speed_text(total.simulated_s, total.cpu_s)}: {new} failed{known}",
    ]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _parser() -> argparse.ArgumentParser:
    faults = table(["FAULT", "WHAT HAPPENS", ""], [[f.name, f.text, f.effect.value] for f in FAULTS.values()])
    parser = argparse.ArgumentParser(
        prog="opensqt simulate",
        description="Run the whole system (bus, venue, engines, gateways) in one process under a virtual clock, inject the "
        "faults that the seed chooses, then check every proof of `verify`. The same seed gives the same run.",
        epilog=f"{faults}\n\nexit codes: 0 every proof holds, 1 one does not, 2 wrong arguments",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the run, or the first of --campaign (1)"
    )
    parser.add_argument(
        "--hours",
        type=float,
        default=UniverseSettings().hours,
        metavar="H",
        help="simulated hours (%(default)s)",
    )
    parser.add_argument(
        "--faults",
        metavar="LIST",
        help=f"faults of the list below, such as kill,pause#2 (the second pause alone), or {NO_FAULTS}; "
        "default: the seed chooses",
    )
    parser.add_argument(
        "--pace",
        type=float,
        default=UniverseSettings().pace,
        metavar="P",
        help="make background work (renewals, heartbeats, checks, sweeps) P times slower than in production, so that "
        "long runs take less CPU time (%(default)g)",
    )
    parser.add_argument("--campaign", type=int, metavar="N", help="run N seeds, and shrink each that fails")
    parser.add_argument("--corpus", action="store_true", help="run the seeds that failed once")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="J", help="processes of a campaign (%(default)s)"
    )
    parser.add_argument(
        "--marks",
        type=int,
        default=0,
        metavar="N",
        help="let a campaign fail when a marked branch was reached fewer than N times (not checked)",
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="append the failing runs to this corpus")
    parser.add_argument(
        "--configuration", type=Path, metavar="FILE", help="configuration; default: the example's"
    )
    parser.add_argument(
        "--page",
        type=int,
        metavar="PORT",
        help="serve the run on the page afterwards, for its replay; Ctrl-C ends it",
    )
    parser.add_argument(
        "--log", action="store_true", help="print the log lines of all parts, in simulated time"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run_closable(main))
