"""`python -m producers market|account|gateway`: argument parsing only."""

import argparse
import sys
from collections.abc import Sequence

from bus import default_name, run, token
from producers.app import Settings, account, gateway, market
from schemas.units import Symbol, VenueId

PARTS = {"market": market, "account": account, "gateway": gateway}


def cli(arguments: Sequence[str] | None = None) -> int:
    """Run one producer until it is told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="opensqt", description="What touches a venue, one process each.")
    parser.add_argument("part", choices=sorted(PARTS), help="which one")
    parser.add_argument("--bus-url", default="nats://127.0.0.1:4222", help="where the bus is (%(default)s)")
    parser.add_argument(
        "--name",
        default=default_name(),
        help="what others of its kind know it by (the machine's and the process's)",
    )
    parser.add_argument("--venue", default="sim", help="the venue's id on the bus (%(default)s)")
    parser.add_argument(
        "--venue-url", required=True, help="where the simulated venue is: http://127.0.0.1:PORT"
    )
    parser.add_argument(
        "--http-port", type=int, default=0, help="for /health, /status, /metrics; 0 is any free one"
    )
    parser.add_argument(
        "--symbol",
        action="append",
        default=[],
        metavar="SYMBOL",
        help="market, account: watch this one, such as BTC/USDT:USDT; may be repeated. With a live server that is all "
        "it takes to see an account that is traded by hand (default: what the engine trades)",
    )
    parser.add_argument("--lock-step", action="store_true", help="follow a recording turn by turn")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)
    settings = Settings(
        bus_url=args.bus_url,
        name=token(args.name),
        venue=VenueId(args.venue),
        venue_url=args.venue_url,
        http_port=args.http_port,
        watch=tuple(Symbol(symbol) for symbol in args.symbol),
        lock_step=args.lock_step,
    )
    return run(lambda: PARTS[args.part](settings), debug=args.debug)


if __name__ == "__main__":
    sys.exit(cli())
