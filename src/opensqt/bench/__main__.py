"""`opensqt bench NAME`: argument parsing only."""

import argparse
import sys
from collections.abc import Callable, Sequence

from opensqt.bench import commit, engine, fanout, latency, recovery, symbols, takeover
from opensqt.bench.report import Report

BENCHMARKS: dict[str, Callable[[], Report]] = {
    "commit": commit.run,
    "engine": engine.run,
    "fanout": fanout.run,
    "latency": latency.run,
    "recovery": recovery.run,
    "symbols": symbols.run,
    "takeover": takeover.run,
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
