"""`opensqt schema`: print the AsyncAPI document of the bus, the messages of the live protocol, or the table of reasons."""

import argparse
import sys

DESCRIPTION = "Print the messages of the bus as an AsyncAPI 3.0 document (JSON), generated from the schemas."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define --live and --reasons."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--live", action="store_true", help="print the messages of the live protocol instead (Markdown)"
    )
    what.add_argument(
        "--reasons", action="store_true", help="print every code in words, and what to do, instead (Markdown)"
    )


def run(options: argparse.Namespace) -> int:
    """Print a document."""
    from cli.schema import asyncapi, live_messages, reasons

    document = reasons if options.reasons else live_messages if options.live else asyncapi
    sys.stdout.write(document.text())
    return 0
