"""`python -m producers market|account|gateway`: argument parsing only."""

import argparse
import sys
from collections.abc import Sequence

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
from producers.app import Settings, account, gateway, market
from schemas.units import Symbol, VenueId

INSTRUMENTS_EVERY_S = 3600.0
SERVICES = {"market": market, "account": account, "gateway": gateway}


def cli(arguments: Sequence[str] | None = None) -> int:
    """Run one producer until it is stopped; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    name = next((each for each in given if each in SERVICES), "")
    parser = OptionParser(
        prog=f"opensqt {name}".strip(), description="Runs a producer: a process that connects to a venue."
    )
    parser.add_argument("part", choices=sorted(SERVICES), help="the producer to run")
    add_bus_options(parser)
    parser.add_argument(
        "--name",
        default=default_name(),
        help="unique name of this process among those of its kind (default: host name and process id)",
    )
    parser.add_argument("--venue", default="sim", help="the venue's id on the bus (%(default)s)")
    parser.add_argument(
        "--venue-url", required=True, help="URL of the simulated venue: http://127.0.0.1:PORT"
    )
    add_http_options(parser)
    parser.add_argument(
        "--symbol",
        action="append",
        default=[],
        metavar="SYMBOL",
        help="market, account: publish this symbol, such as BTC/USDT:USDT; may be repeated. Together with a live server "
        "this shows an account that is traded by hand (default: the symbols that the engine trades)",
    )
    parser.add_argument(
        "--instruments-every",
        type=float,
        metavar="SECONDS",
        help=f"market: time between two reads of the venue's instruments ({INSTRUMENTS_EVERY_S:g})",
    )
    parser.add_argument("--lock-step", action="store_true", help="follow a recording in lock-step")
    add_log_options(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)
    if args.symbol and args.part == "gateway":
        parser.error("--symbol is an option of market and account: the gateway serves the registered symbols")
    if args.instruments_every is not None and args.part != "market":
        parser.error(f"--instruments-every is an option of market, not of {args.part}")
    return run(lambda: SERVICES[args.part](_settings(args)), debug=args.debug)


def _settings(args: argparse.Namespace) -> Settings:
    return Settings(
        bus=bus_context(args),
        name=token(args.name),
        venue=VenueId(args.venue),
        venue_url=args.venue_url,
        http_host=args.http_host,
        http_port=args.http_port,
        watch=tuple(Symbol(symbol) for symbol in args.symbol),
        lock_step=args.lock_step,
        instruments_every_s=INSTRUMENTS_EVERY_S if args.instruments_every is None else args.instruments_every,
    )


if __name__ == "__main__":
    sys.exit(cli())
