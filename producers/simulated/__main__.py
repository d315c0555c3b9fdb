"""Command line of the simulated venue: `python -m producers.simulated --settings FILE.json`."""

import argparse
import sys
from pathlib import Path

from bus import EXIT_PERMANENT, run
from producers.simulated.app import main
from producers.simulated.settings import SettingsError, read_settings


def cli() -> int:
    parser = argparse.ArgumentParser(prog="producers.simulated", description="The simulated venue.")
    parser.add_argument("--settings", type=Path, required=True, help="JSON file of VenueSettings")
    parser.add_argument("--port-file", type=Path, help="file to write the listening port to")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    try:
        settings = read_settings(arguments.settings)
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_PERMANENT
    return run(lambda: main(settings, arguments.port_file), debug=arguments.debug)


if __name__ == "__main__":
    sys.exit(cli())
