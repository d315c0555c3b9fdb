"""Command line of one live server: `python -m liveserver --help`."""

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from bus import OptionParser, add_bus_options, add_log_options, choose_context, run
from liveserver.app import main
from liveserver.settings import Settings, from_environment
from liveserver.websocket.context import Limits
from schemas.subjects import unescape
from schemas.units import Symbol

LIMIT_HELP = {
    "backlog_messages": "unsent messages before a slow viewer is disconnected",
    "backlog_bytes": "unsent bytes before a slow viewer is disconnected",
    "connections": "concurrent connections, HTTP and viewers",
    "connections_per_address": "concurrent connections from one address",
    "head_s": "seconds for a client to send the head of a request",
    "body_s": "seconds for a client to send the body of a request",
    "answer_s": "seconds for the answer to a request until it is received",
    "inbound_bytes": "size of one message from a viewer, in bytes",
    "inbound_per_s": "sustained rate of frames from a viewer, per second",
    "inbound_burst": "burst of frames from a viewer",
    "ping_every_s": "seconds between pings",
    "pong_within_s": "seconds for a viewer to answer a ping",
    "linger_s": "seconds for a viewer to receive and answer a close frame",
}


def _parser(defaults: Settings) -> argparse.ArgumentParser:
    parser = OptionParser(
        "opensqt liveserver", description="Serves the page and streams live data from the bus to it."
    )
    add_bus_options(parser)
    parser.add_argument(
        "--http-host", default=defaults.http_host, help="address to listen on; default: %(default)s"
    )
    parser.add_argument(
        "--http-port", default=defaults.http_port, type=int, help="0 takes a free port; default: %(default)s"
    )
    parser.add_argument(
        "--share-port",
        action="store_true",
        default=defaults.share_port,
        help="share the port with other live servers on this machine; this one listens on a port of its own too",
    )
    parser.add_argument(
        "--own-port",
        type=int,
        help="the port of its own with --share-port; default: any free port",
    )
    parser.add_argument(
        "--replica", default=defaults.replica, help="name shown on the page; default: host and port"
    )
    parser.add_argument(
        "--shutdown-delay-s",
        default=defaults.shutdown_delay_s,
        type=_positive(float, or_zero=True),
        help="seconds from SIGTERM on in which it still serves but /ready answers 503, for load balancers that check it; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--drain-s",
        default=defaults.drain_s,
        type=_positive(float),
        help="seconds at shutdown for viewers to disconnect; default: %(default)s",
    )
    parser.add_argument(
        "--replays",
        default=defaults.replays,
        type=int,
        help="maximum number of concurrent replays; default: %(default)s",
    )
    parser.add_argument(
        "--symbol",
        action="append",
        default=[],
        metavar="SYMBOL",
        help="serve this symbol only, such as BTC/USDT:USDT; may be repeated; default: all",
    )
    _add_access(parser)
    _add_limits(parser, defaults.limits)
    add_log_options(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def _add_access(parser: argparse.ArgumentParser) -> None:
    access = parser.add_argument_group(
        "access control",
        "Keys and tokens come from a configuration file: ./opensqt liveserver --config FILE.",
    )
    access.add_argument(
        "--allow-origin",
        action="append",
        metavar="ORIGIN",
        help="origin of another page that may connect, such as https://example.org; * for any; "
        "null for pages opened from files; default: only this server's own page",
    )
    access.add_argument(
        "--public", action="store_true", help="serve a view without amounts to unauthenticated clients"
    )
    access.add_argument(
        "--trust-network",
        action="store_true",
        help="disable authentication and grant every client the role admin: only behind a proxy that authenticates",
    )
    access.add_argument(
        "--trusted-proxy",
        action="append",
        metavar="NETWORK",
        help="proxy address or network whose X-Forwarded-For is trusted; default: none",
    )


def _add_limits(parser: argparse.ArgumentParser, defaults: Limits) -> None:
    limits = parser.add_argument_group("limits")
    for field in msgspec.structs.fields(Limits):
        limits.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=getattr(defaults, field.name),
            type=_positive(type(field.default)),
            metavar="N",
            help=f"{LIMIT_HELP.get(field.name, field.name)}; default: %(default)s",
        )


def _positive(kind: type, *, or_zero: bool = False) -> Callable[[str], float]:
    def number(text: str) -> float:
        value: float = kind(text)
        if not (0 < value < float("inf") or (or_zero and value == 0)):
            raise ValueError
        return value

    # Shown in argparse's error.
    number.__name__ = f"{'integer' if kind is int else 'number'} above 0{' or 0' if or_zero else ''}"
    return number


def _symbol(text: str) -> Symbol:
    return Symbol(text if "/" in text else unescape(text))


def _parse(arguments: Sequence[str] | None, defaults: Settings) -> argparse.Namespace:
    parser = _parser(defaults)
    options = parser.parse_args(arguments)
    if options.own_port is not None and not options.share_port:
        parser.error("--own-port is the port of its own beside a shared one: it needs --share-port")
    return options


def _settings(options: argparse.Namespace, defaults: Settings) -> Settings:
    access = defaults.access
    return Settings(
        bus=choose_context(options.bus_url, options.bus_context) or defaults.bus,
        http_host=options.http_host,
        http_port=options.http_port,
        share_port=options.share_port,
        own_port=defaults.own_port if options.own_port is None else options.own_port,
        shutdown_delay_s=options.shutdown_delay_s,
        drain_s=options.drain_s,
        replica=options.replica,
        replays=options.replays,
        symbols=frozenset(map(_symbol, options.symbol)) or defaults.symbols,
        allowed_origins=frozenset(options.allow_origin or defaults.allowed_origins),
        limits=Limits(**{name: getattr(options, name) for name in Limits.__struct_fields__}),
        access=msgspec.structs.replace(
            access,
            public=access.public or options.public,
            trust_network=access.trust_network or options.trust_network,
            trusted_proxies=tuple(options.trusted_proxy or access.trusted_proxies),
        ),
    )


def cli(arguments: Sequence[str] | None = None) -> int:
    """Run a live server until it is stopped; return the exit code."""
    defaults, problem = Settings(), None
    try:
        defaults = from_environment(os.environ)
    except ValueError as error:
        problem = error
    options = _parse(arguments, defaults)

    def start() -> Coroutine[Any, Any, None]:
        if problem is not None:
            raise problem
        return main(_settings(options, defaults))

    return run(start, debug=options.debug)


if __name__ == "__main__":
    sys.exit(cli())
