"""Starts one live server: `python -m liveserver --help`."""

import argparse
import sys

from bus import run
from liveserver.app import Settings, main


def _settings(arguments: list[str]) -> tuple[Settings, bool]:
    defaults = Settings()
    parser = argparse.ArgumentParser("liveserver", description="Serves the page and its data from the bus.")
    parser.add_argument("--bus-url", default=defaults.bus_url, help="default: %(default)s")
    parser.add_argument("--http-host", default=defaults.http_host, help="default: %(default)s")
    parser.add_argument("--http-port", default=defaults.http_port, type=int, help="default: %(default)s")
    parser.add_argument("--replica", default="", help="its name on the page; default: host and port")
    parser.add_argument(
        "--allow-origin",
        action="append",
        metavar="ORIGIN",
        help="a page from elsewhere that may connect, such as https://example.org; * for any; "
        "null for one opened from disk; default: none but our own",
    )
    parser.add_argument(
        "--replays",
        default=defaults.replays,
        type=int,
        help="how many viewers may watch the past at a time; default: %(default)s",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    given = parser.parse_args(arguments)
    settings = Settings(
        bus_url=given.bus_url,
        http_host=given.http_host,
        http_port=given.http_port,
        replica=given.replica,
        replays=given.replays,
        allowed_origins=frozenset(given.allow_origin or defaults.allowed_origins),
    )
    return settings, given.debug


if __name__ == "__main__":
    settings, debug = _settings(sys.argv[1:])
    sys.exit(run(lambda: main(settings), debug=debug))
