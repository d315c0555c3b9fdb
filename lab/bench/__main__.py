"""`opensqt bench NAME`: argument parsing only."""

import argparse
import sys
from collections.abc import Callable, Sequence

from cli.console import run_closable
from lab.bench.report import Report
from lab.bench.trading import commit, engine, latency, recovery, symbols, takeover
from lab.bench.viewers import doors, fanout, ingest, latency_viewers, viewers

BENCHMARKS: dict[str, Callable[[], Report]] = {
    "commit": commit.run,
    "doors": doors.run,
    "engine": engine.run,
    "fanout": fanout.run,
    "ingest": ingest.run,
    "latency": latency.run,
    "recovery": recovery.run,
    "symbols": symbols.run,
    "takeover": takeover.run,
    "viewers": viewers.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark and print its report; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="opensqt bench",
        description="Run a benchmark; it prints figures, baselines of the same run, and the ratios between them.",
        epilog="What each benchmark measures: docs/benchmarks.md",
    )
    parser.add_argument("name", choices=sorted(BENCHMARKS), help="the benchmark to run")
    parser.add_argument(
        "--viewers",
        type=int,
        metavar="N",
        help="with latency: measure from publishing a ticker to its receipt by N viewers",
    )
    parser.add_argument("--idle", type=int, metavar="N", help="with viewers: number of idle viewers (10000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(arguments)
    for option, name in (("viewers", "latency"), ("idle", "viewers")):
        if getattr(args, option) is not None and args.name != name:
            parser.error(f"--{option} is an option of the benchmark {name}")
    report = _benchmark(args)()
    sys.stdout.write((report.json() if args.json else report.text()) + "\n")
    return 0


def _benchmark(args: argparse.Namespace) -> Callable[[], Report]:
    if args.viewers is not None:
        return lambda: latency_viewers.run(args.viewers)
    if args.idle is not None:
        return lambda: viewers.run(args.idle)
    return BENCHMARKS[args.name]


if __name__ == "__main__":
    sys.exit(run_closable(main))
