"""Command line of the simulated venue: `python -m producers.simulated --settings FILE.json`."""

import argparse
import sys
from pathlib import Path

import msgspec

from bus import EXIT_PERMANENT, OptionParser, add_log_options, run
from bus.log import write_error
from producers.simulated.app import main
from producers.simulated.settings import SettingsError, VenueSettings, read_settings


def cli() -> int:
    """Run the venue until it is stopped; return the exit code."""
    parser = OptionParser(
        prog="opensqt venue",
        description="The simulated venue.",
        epilog="./opensqt venue --config FILE takes the settings of the venue from a configuration; --venue NAME says "
        "which if it has several.",
    )
    parser.add_argument("--settings", type=Path, help="JSON file of VenueSettings, instead of --config")
    parser.add_argument("--store", help="SQLite file of the venue's account, created if it is missing")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes any free one")
    parser.add_argument("--port-file", type=Path, help="file to write the listening port to")
    add_log_options(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    if arguments.settings is None:
        parser.error("name the configuration: --config FILE")
    try:
        settings = _settings(arguments, read_settings(arguments.settings))
    except SettingsError as error:
        write_error(str(error))
        return EXIT_PERMANENT
    return run(lambda: main(settings, arguments.port_file), debug=arguments.debug)


def _settings(arguments: argparse.Namespace, settings: VenueSettings) -> VenueSettings:
    given = {
        name: value for name in ("store", "host", "port") if (value := getattr(arguments, name)) is not None
    }
    settings = msgspec.structs.replace(settings, **given)
    if not settings.store:
        raise SettingsError(
            f"the store of {settings.venue} is missing: name its SQLite file with --store FILE"
        )
    return settings


if __name__ == "__main__":
    sys.exit(cli())
