"""Starts one live server: `python -m liveserver --help`."""

import argparse
import os
import sys

import msgspec

from bus import run
from liveserver.app import main
from liveserver.settings import Settings, take_over
from liveserver.stage import Limits


def _settings(arguments: list[str], given: Settings) -> tuple[Settings, bool]:
    parser = argparse.ArgumentParser("liveserver", description="Serves the page and its data from the bus.")
    parser.add_argument("--bus-url", default=given.bus_url, help="default: %(default)s")
    parser.add_argument("--http-host", default=given.http_host, help="default: %(default)s")
    parser.add_argument("--http-port", default=given.http_port, type=int, help="default: %(default)s")
    parser.add_argument(
        "--replica", default=given.replica, help="its name on the page; default: host and port"
    )
    _add_doors(parser, given)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    asked = parser.parse_args(arguments)
    limits, access = given.limits, given.access
    settings = Settings(
        bus_url=asked.bus_url,
        http_host=asked.http_host,
        http_port=asked.http_port,
        replica=asked.replica,
        allowed_origins=frozenset(asked.allow_origin or given.allowed_origins),
        limits=msgspec.structs.replace(
            limits, connections=asked.connections, connections_per_address=asked.connections_per_address
        ),
        access=msgspec.structs.replace(
            access,
            public=access.public or asked.public,
            trust_network=access.trust_network or asked.trust_network,
            trusted_proxies=tuple(asked.trusted_proxy or access.trusted_proxies),
        ),
    )
    return settings, asked.debug


def _add_doors(parser: argparse.ArgumentParser, given: Settings) -> None:
    limits: Limits = given.limits
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
    doors.add_argument(
        "--connections",
        type=int,
        default=limits.connections,
        metavar="N",
        help="viewers; default: %(default)s",
    )
    doors.add_argument(
        "--connections-per-address",
        type=int,
        default=limits.connections_per_address,
        metavar="N",
        help="of them from one address; default: %(default)s",
    )


if __name__ == "__main__":
    settings, debug = _settings(sys.argv[1:], take_over(os.environ))
    sys.exit(run(lambda: main(settings), debug=debug))
