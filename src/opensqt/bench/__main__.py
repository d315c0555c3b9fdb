"""`opensqt bench NAME`: argument parsing only."""

import argparse
import sys
from collections.abc import Callable, Sequence

from opensqt.bench import engine, fanout, latency
from opensqt.bench.report import Report

BENCHMARKS: dict[str, Callable[[], Report]] = {
    "engine": engine.run,
    "fanout": fanout.run,
    "latency": latency.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark and print its report; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="opensqt bench", description="Ratios against a baseline of the same run."
    )
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args(arguments)
    report = BENCHMARKS[args.name]()
    sys.stdout.write((report.json() if args.json else report.text()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
