"""Starts one live server: `python -m liveserver --help`."""

import argparse
import sys
from collections.abc import Callable

import msgspec

from bus import run
from liveserver.app import Settings, main
from liveserver.session import Limits

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


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser("liveserver", description="Serves the page and its data from the bus.")
    parser.add_argument("--bus-url", default=defaults.bus_url, help="default: %(default)s")
    parser.add_argument("--http-host", default=defaults.http_host, help="default: %(default)s")
    parser.add_argument("--http-port", default=defaults.http_port, type=int, help="default: %(default)s")
    parser.add_argument(
        "--share-port",
        action="store_true",
        help="other live servers on this machine listen at the same port; this one has another of its own as well",
    )
    parser.add_argument(
        "--own-port", default=defaults.own_port, type=int, help="that one; default: any free one"
    )
    parser.add_argument("--replica", default="", help="its name on the page; default: host and port")
    parser.add_argument(
        "--allow-origin",
        action="append",
        metavar="ORIGIN",
        help="a page from elsewhere that may connect, such as https://example.org; * for any; "
        "null for one opened from disk; default: none but our own",
    )
    parser.add_argument(
        "--drain-s",
        default=defaults.drain_s,
        type=_positive(float),
        help="seconds that viewers have to go when it is told to end; default: %(default)s",
    )
    parser.add_argument(
        "--replays",
        default=defaults.replays,
        type=int,
        help="how many viewers may watch the past at a time; default: %(default)s",
    )
    limits = parser.add_argument_group("limits")
    for field in msgspec.structs.fields(Limits):
        limits.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=field.default,
            type=_positive(type(field.default)),
            metavar="N",
            help=f"{LIMITS.get(field.name, field.name)}; default: %(default)s",
        )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def _positive(kind: type) -> Callable[[str], float]:
    def number(text: str) -> float:
        value: float = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    number.__name__ = f"number above 0 ({'whole' if kind is int else 'decimal'})"
    return number


def _settings(arguments: list[str]) -> tuple[Settings, bool]:
    given = _parser().parse_args(arguments)
    settings = Settings(
        bus_url=given.bus_url,
        http_host=given.http_host,
        http_port=given.http_port,
        share_port=given.share_port,
        own_port=given.own_port,
        drain_s=given.drain_s,
        replica=given.replica,
        replays=given.replays,
        allowed_origins=frozenset(given.allow_origin or Settings().allowed_origins),
        limits=Limits(**{name: getattr(given, name) for name in Limits.__struct_fields__}),
    )
    return settings, given.debug


if __name__ == "__main__":
    settings, debug = _settings(sys.argv[1:])
    sys.exit(run(lambda: main(settings), debug=debug))
