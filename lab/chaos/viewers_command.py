"""`opensqt verify --viewers N`: argument parsing and output."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from cli.errors import CommandError
from lab.chaos.report import counts_text, proof_lines
from lab.chaos.viewers import MAX_SHOWN, ViewerTestResult, ViewerTestSettings, run_viewer_test


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `verify --viewers`; return 0 when the proof holds, 1 when it is broken, 2 when the run failed to start."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.viewers is None:
        parser.error("--viewers needs a number: --viewers 1000")
    if min(args.viewers, args.replicas, args.minutes, args.every, args.rate) <= 0:
        parser.error("--viewers, --replicas, --minutes, --every and --rate must be above 0")
    settings = ViewerTestSettings(
        viewers=args.viewers,
        replicas=args.replicas,
        seconds=60 * args.minutes,
        every_s=args.every,
        kills_bus=args.bus,
        events_per_s=args.rate,
        seed=args.seed,
    )
    data_dir = Path(tempfile.mkdtemp(prefix="opensqt-viewers-"))
    try:
        result = uvloop.run(run_viewer_test(settings, data_dir, print))
    except CommandError as error:
        sys.stderr.write(f"error: {error}\ndata kept in {data_dir}\n")
        return 2
    print("\n".join(_result_lines(result)))
    if not result.holds:
        print(f"data kept in {data_dir}")
        return 1
    shutil.rmtree(data_dir, ignore_errors=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensqt verify",
        description="Kill live servers under many viewers, then compare what each viewer received with the streams.",
    )
    parser.add_argument("--viewers", type=int, nargs="?", metavar="N", help="number of WebSocket clients")
    parser.add_argument("--replicas", type=int, default=3, metavar="N", help="live servers (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=1.0, metavar="M", help="duration of the faults (%(default)g)"
    )
    parser.add_argument(
        "--every", type=float, default=3.0, metavar="S", help="seconds between kills (%(default)g)"
    )
    parser.add_argument("--bus", action="store_true", help="every third kill hits the bus server")
    parser.add_argument(
        "--rate", type=float, default=100.0, metavar="N", help="events per second (%(default)g)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of events and connections (%(default)s)")
    return parser


def _result_lines(result: ViewerTestResult) -> list[str]:
    return [
        f"  killed: {counts_text(result.kills)}",
        f"  connections: {result.connections}, {result.resumed} of them resumed",
        f"  durable events: {result.stored} stored, {result.received} received by viewers and compared",
        *proof_lines(
            "every viewer received every event of its topics once, in order", result.violations, MAX_SHOWN
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
