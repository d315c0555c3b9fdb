"""`python -m engine`: argument parsing only."""

import argparse
import sys
from collections.abc import Sequence

from bus import default_name, run, token
from engine.app import Settings, main


def cli(arguments: Sequence[str] | None = None) -> int:
    """Run an engine until it is told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="opensqt engine", description="One durable actor for each symbol.")
    parser.add_argument("--bus-url", default="nats://127.0.0.1:4222", help="where the bus is (%(default)s)")
    parser.add_argument(
        "--name",
        default=default_name(),
        help="what other engines know it by (the machine's and the process's)",
    )
    parser.add_argument(
        "--http-port", type=int, default=0, help="for /health, /status, /metrics; 0 is any free one"
    )
    parser.add_argument("--lock-step", action="store_true", help="follow a recording turn by turn")
    parser.add_argument(
        "--recorded", action="store_true", help="the market is a recording: its silence means nothing"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)
    settings = Settings(
        bus_url=args.bus_url,
        name=token(args.name),
        http_port=args.http_port,
        lock_step=args.lock_step,
        is_recorded=args.recorded or args.lock_step,
    )
    return run(lambda: main(settings), debug=args.debug)


if __name__ == "__main__":
    sys.exit(cli())
