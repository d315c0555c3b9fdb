"""`python -m engine`: argument parsing only."""

import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from bus import (
    OptionParser,
    add_bus_options,
    add_http_options,
    add_log_options,
    bus_context,
    default_name,
    run,
    token,
)
from engine.app import Settings, main


def cli(arguments: Sequence[str] | None = None) -> int:
    """Run an engine until it is stopped; return the exit code."""
    parser = OptionParser(prog="opensqt engine", description="Runs one durable actor per symbol.")
    add_bus_options(parser)
    parser.add_argument(
        "--name",
        default=default_name(),
        help="unique name of this process among the engines (default: host name and process id)",
    )
    add_http_options(parser)
    parser.add_argument("--lock-step", action="store_true", help="follow a recording in lock-step")
    parser.add_argument(
        "--recorded", action="store_true", help="the market is a recording: ignore silence of the feed"
    )
    add_log_options(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)

    def start() -> Coroutine[Any, Any, None]:
        settings = Settings(
            bus=bus_context(args),
            name=token(args.name),
            http_host=args.http_host,
            http_port=args.http_port,
            lock_step=args.lock_step,
            is_recorded=args.recorded or args.lock_step,
        )
        return main(settings)

    return run(start, debug=args.debug)


if __name__ == "__main__":
    sys.exit(cli())
