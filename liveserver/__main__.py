"""Starts one live server: `python -m liveserver --help`."""

import argparse
import os
import sys
from collections.abc import Callable

import msgspec

from bus import run
from liveserver.app import main
from liveserver.settings import Settings, take_over
from liveserver.websocket.context import Limits

LIMITS = {
    "backlog_messages": "messages that may wait for a viewer before it is let go",
    "backlog_bytes": "bytes that may",
    "connections": "viewers in all",
    "connections_per_address": "viewers from one address",
    "inbound_bytes": "bytes of one message from a viewer",
    "inbound_per_s": "frames a second from a viewer, in the long run",
    "inbound_burst": "frames at once",
    "ping_every_s": "seconds between pings",
    "pong_within_s": "seconds that a viewer has to answer one",
    "linger_s": "seconds that a viewer has to answer a close, or to fetch it",
}


def _parser(given: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("liveserver", description="Serves the page and its data from the bus.")
    parser.add_argument("--bus-url", default=given.bus_url, help="default: %(default)s")
    parser.add_argument("--http-host", default=given.http_host, help="default: %(default)s")
    parser.add_argument("--http-port", default=given.http_port, type=int, help="default: %(default)s")
    parser.add_argument(
        "--share-port",
        action="store_true",
        default=given.share_port,
        help="other live servers on this machine listen at the same port; this one has another of its own as well",
    )
    parser.add_argument(
        "--own-port", default=given.own_port, type=int, help="that one; default: any free one"
    )
    parser.add_argument(
        "--replica", default=given.replica, help="its name on the page; default: host and port"
    )
    parser.add_argument(
        "--drain-s",
        default=given.drain_s,
        type=_positive(float),
        help="seconds that viewers have to go when it is told to end; default: %(default)s",
    )
    parser.add_argument(
        "--replays",
        default=given.replays,
        type=int,
        help="how many viewers may watch the past at a time; default: %(default)s",
    )
    _add_doors(parser)
    _add_limits(parser, given.limits)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def _add_doors(parser: argparse.ArgumentParser) -> None:
    doors = parser.add_argument_group(
        "who may come in", "Keys and tokens come from a configuration: opensqt liveserver --config FILE."
    )
    doors.add_argument(
        "--allow-origin",
        action="append",
        metavar="ORIGIN",
        help="a page from elsewhere that may connect, such as https://example.org; * for any; "
        "null for one opened from disk; default: none but our own",
    )
    doors.add_argument("--public", action="store_true", help="anybody may look, and sees no amounts")
    doors.add_argument(
        "--trust-network",
        action="store_true",
        help="whoever reaches the port may do everything: for behind a proxy that authenticates",
    )
    doors.add_argument(
        "--trusted-proxy",
        action="append",
        metavar="NETWORK",
        help="a proxy, or a network of them, whose X-Forwarded-For is believed; default: none",
    )


def _add_limits(parser: argparse.ArgumentParser, given: Limits) -> None:
    limits = parser.add_argument_group("limits")
    for field in msgspec.structs.fields(Limits):
        limits.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=getattr(given, field.name),
            type=_positive(type(field.default)),
            metavar="N",
            help=f"{LIMITS.get(field.name, field.name)}; default: %(default)s",
        )


def _positive(kind: type) -> Callable[[str], float]:
    def number(text: str) -> float:
        value: float = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    number.__name__ = f"number above 0 ({'whole' if kind is int else 'decimal'})"
    return number


def _settings(arguments: list[str], given: Settings) -> tuple[Settings, bool]:
    asked = _parser(given).parse_args(arguments)
    access = given.access
    settings = Settings(
        bus_url=asked.bus_url,
        http_host=asked.http_host,
        http_port=asked.http_port,
        share_port=asked.share_port,
        own_port=asked.own_port,
        drain_s=asked.drain_s,
        replica=asked.replica,
        replays=asked.replays,
        allowed_origins=frozenset(asked.allow_origin or given.allowed_origins),
        limits=Limits(**{name: getattr(asked, name) for name in Limits.__struct_fields__}),
        access=msgspec.structs.replace(
            access,
            public=access.public or asked.public,
            trust_network=access.trust_network or asked.trust_network,
            trusted_proxies=tuple(asked.trusted_proxy or access.trusted_proxies),
        ),
    )
    return settings, asked.debug


if __name__ == "__main__":
    settings, debug = _settings(sys.argv[1:], take_over(os.environ))
    sys.exit(run(lambda: main(settings), debug=debug))
