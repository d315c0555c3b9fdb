"""The grammar of the command line: the table of commands, shared options, and parsers of option values."""

import argparse
from pathlib import Path
from typing import Any, Protocol

from cli import __version__

GROUPS: dict[str, dict[str, str]] = {
    "run": {
        "up": "run the whole stack on this machine; Ctrl-C stops it",
        "apply FILE": "provision streams, limits and symbols of a configuration on any bus; shows the differences first",
        "migrate": "bring the data directory of an earlier version up to date",
        "config check [FILE]": "validate a configuration file and print a summary",
        "key --name NAME --role ROLE": "create an API key for the live servers",
        "plan [FILE]": "preview a configuration: levels, margin, fees, preflight, liquidation",
    },
    "observe and control": {
        "status": "show the parts, each symbol's state, and why a symbol is not quoting; exit code 1 if something is wrong",
        "tap SUBJECT": "print bus messages, one readable line each",
        "control COMMAND VENUE SYMBOL": "send a command (pause, stop, flatten, set, add ...) and print its results",
        "cancel-all --venue NAME": "cancel this installation's orders at the venue itself, when bus or engine are gone",
        "schema": "print the messages of the bus as an AsyncAPI document; --live: those of the live protocol",
    },
    "run a single part": {
        "bus": "the embedded bus (nats-server with JetStream), in the foreground",
        "bus backup DIR": "save the bus's streams and buckets in a directory, also while they are in use",
        "bus restore DIR": "replace them by those of a backup",
        "bus init DIR": "write users, keys, certificates and configuration of a secured bus",
        "venue": "the simulated venue",
        "market": "the market data publisher of a venue",
        "account": "the account publisher of a venue",
        "gateway": "the order gateway of a venue",
        "engine": "the trading engine",
        "liveserver": "the web page and its WebSocket and HTTP API",
    },
    "test and measure": {
        "test": "run the test suite; further arguments go to pytest",
        "verify": "kill and pause parts of a stack of its own at random, then check that accounts match the venue",
        "simulate --seed N": "run the whole system under a virtual clock, with faults drawn from a seed",
        "scenario NAME": "demonstrate a risk guard, in a simulation or (--real) on a stack of its own",
        "bench NAME": "run a benchmark, on parts of its own",
    },
}
"""Usage and summary of each command, in the groups that --help prints."""

FORWARDED = {
    "venue",
    "market",
    "account",
    "gateway",
    "engine",
    "liveserver",
    "test",
    "verify",
    "simulate",
    "scenario",
    "bench",
}
"""Commands that parse their own arguments."""

LOGGING = {"venue", "market", "account", "gateway", "engine", "liveserver", "bus", "apply", "up"}
"""Commands whose standard error is a log, as JSON if it is set so."""

COMMANDS = {usage.partition(" ")[0] for commands in GROUPS.values() for usage in commands}


class CommandModule(Protocol):
    """A module of `cli.commands` that parses its arguments with argparse."""

    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Define the command's arguments."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Run the command and return the exit code.

        Raises: CommandError.
        """
        ...


def main_parser() -> argparse.ArgumentParser:
    """Return the parser of a command line without a command: --help and --version."""
    parser = argparse.ArgumentParser(
        prog="opensqt",
        usage="opensqt [--debug] COMMAND ...",
        description="A crypto market maker on an event bus.",
        epilog=command_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"opensqt {__version__}")
    _add_debug_option(parser)
    return parser


def command_parser(name: str, command: CommandModule) -> argparse.ArgumentParser:
    """Return the parser of one command; options that the command line does not have come from the environment."""
    from bus import OptionParser

    parser = OptionParser(prog=f"opensqt {name}", description=command.DESCRIPTION)
    _add_debug_option(parser)
    command.add_arguments(parser)
    return parser


def command_list() -> str:
    """Return the commands in groups, as --help prints them."""
    width = max(len(usage) for commands in GROUPS.values() for usage in commands)
    lines = []
    for title, commands in GROUPS.items():
        lines += [f"{title}:", *(f"  {usage:<{width}}  {summary}" for usage, summary in commands.items()), ""]
    return "\n".join([*lines, "Run `opensqt COMMAND --help` for the options of a command."])


def add_bus_options(parser: argparse.ArgumentParser) -> None:
    """Add --bus-url, --bus-context and --data-dir, which locate the bus of a running stack."""
    parser.add_argument(
        "--bus-url",
        metavar="URL",
        help="the bus (default: OPENSQT_BUS_CONTEXT and OPENSQT_BUS_URL, else that of the `up` that runs in --data-dir, "
        "else port 4222)",
    )
    parser.add_argument(
        "--bus-context",
        type=Path,
        metavar="FILE",
        help="file with address and credentials of the bus, in the format of a context of the nats tool",
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="data directory of a running `up` (default: data)"
    )


def _add_debug_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="print tracebacks of errors")


def port(text: str) -> int:
    """Parse a TCP port; 0 means any free port."""
    return _bounded_int(text, 0, 65535)


def count(text: str) -> int:
    """Parse a number of processes, 1 to 64."""
    return _bounded_int(text, 1, 64)


def count_or_none(text: str) -> int:
    """Parse a number of processes, 0 to 64."""
    return _bounded_int(text, 0, 64)


def duration(text: str) -> int:
    """Parse a duration such as `5m` into nanoseconds."""
    from cli import units

    try:
        return units.duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def _bounded_int(text: str, minimum: int, maximum: int) -> int:
    from cli import units

    try:
        return units.whole(minimum, maximum)(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def speed(text: str) -> float | str:
    """Parse a speed-up factor above 0 and up to 1,000,000, or `max`."""
    if text == "max":
        return text
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1_000_000:
        raise argparse.ArgumentTypeError(f"has to be a number above 0, or max, not {text!r}")
    return factor


def price(text: str) -> Any:
    """Parse a decimal price above zero."""
    from cli import units

    try:
        return units.positive(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def percentage(text: str) -> Any:
    """Parse a percentage from 0% to below 100%, such as 0.5%, and return the ratio."""
    from decimal import Decimal, InvalidOperation

    try:
        ratio = Decimal(text.removesuffix("%")) / 100
    except InvalidOperation:
        ratio = Decimal(-1)
    if not text.endswith("%") or not 0 <= ratio < 1:
        raise argparse.ArgumentTypeError(f"{text!r} has to be a percentage below 100%, such as 0.5%")
    return ratio


def signed_quantity(text: str) -> Any:
    """Parse a decimal quantity, which may be negative: `-0.153`."""
    from cli import units

    try:
        return units.decimal(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def symbol(text: str) -> Any:
    """Parse a symbol, also in its form in subjects: `BTC/USDT:USDT`, `BTC-USDT_USDT`, `_all` (all symbols)."""
    from schemas.subjects import ALL, unescape

    try:
        return text if "/" in text or text == ALL else unescape(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a symbol, such as BTC/USDT:USDT") from None


def origin(text: str) -> str:
    """Parse the origin of a page, such as `https://example.org`."""
    from cli.config.http import origin as parse

    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None


def setting(text: str) -> tuple[str, str]:
    """Parse `NAME=VALUE`."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"has to be name=value, like 'order_amount=40 USDT', not {text!r}")
    return name, value
