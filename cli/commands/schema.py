"""`opensqt schema`: print the AsyncAPI document of the bus, or the messages of the live protocol."""

import argparse
import sys

DESCRIPTION = "Print the messages of the bus as an AsyncAPI 3.0 document (JSON), generated from the schemas."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --live."""
    parser.add_argument(
        "--live", action="store_true", help="print the messages of the live protocol instead (Markdown)"
    )


def run(options: argparse.Namespace) -> int:
    """Print a document."""
    from cli.schema import asyncapi, live_messages

    sys.stdout.write(live_messages.text() if options.live else asyncapi.text())
    return 0
