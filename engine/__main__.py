"""`python -m engine`: argument parsing only."""

import argparse
import sys
from collections.abc import Sequence

from bus import default_name, run, token
from engine.app import Settings, main


def cli(arguments: Sequence[str] | None = None) -> int:
    """Run an engine until it is stopped; return the exit code."""
    parser = argparse.ArgumentParser(prog="opensqt engine", description="Runs one durable actor per symbol.")
    parser.add_argument(
        "--bus-url", default="nats://127.0.0.1:4222", help="URL of the NATS server (%(default)s)"
    )
    parser.add_argument(
        "--name",
        default=default_name(),
        help="unique name of this process among the engines (default: host name and process id)",
    )
    parser.add_argument(
        "--http-port", type=int, default=0, help="port for /health, /status, /metrics; 0 takes any free one"
    )
    parser.add_argument("--lock-step", action="store_true", help="follow a recording in lock-step")
    parser.add_argument(
        "--recorded", action="store_true", help="the market is a recording: ignore silence of the feed"
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
