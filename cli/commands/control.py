"""`opensqt control`: send one command to the engine through the bus and print its results."""

import argparse
import getpass
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cli import parser as arguments
from cli.background import run_main
from cli.config.file import ConfigurationError
from cli.config.section import Section
from cli.config.symbols import read_settings
from cli.config.yaml import Entry, Mistake, Scalar, Table, parse
from cli.control.names import resolve_symbol
from cli.control.send import send
from cli.errors import CommandError
from cli.stack.connection import BusAddress, BusPlace, connect_to_bus, locate_bus
from schemas import subjects
from schemas.engine.control import Command, CommandName
from schemas.grid.settings import GridSettings
from schemas.subjects import ALL
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId

DESCRIPTION = (
    "Send a command to the engine and print its results: that it was accepted, then whether it is complete. The exit code "
    "is 0 when it is complete for each symbol."
)
SUMMARIES = {
    "pause": "stop opening; closing orders stay active",
    "resume": "quote again after a pause or a stop",
    "stop": "cancel the grid's orders, keep the position",
    "flatten": "cancel the grid's orders, close the position, then stay stopped",
    "trip": "open the circuit breaker",
    "reset": "close the circuit breaker",
    "reconcile": "compare with the venue now and print the findings (--dry-run: change nothing; --accept QUANTITY: "
    "take over its position)",
    "add": "start trading a symbol (--settings FILE, --set NAME=VALUE)",
    "remove": "stop trading a symbol; refused while it has a position, unless --keep-position",
    "set": "change settings of a running symbol (--set NAME=VALUE)",
}
OPTION_COMMANDS = {
    "set": ("set", "add"),
    "settings": ("add",),
    "dry_run": ("reconcile",),
    "keep_position": ("remove",),
    "accept": ("reconcile",),
    "yes": ("set", "add"),
}
"""Options that only some commands accept."""
IGNORED_KEYS = ("venue", "symbol", "generation")
"""Keys of a settings file that the command line or the engine determines."""
DEFAULT_TIMEOUT = 15 * SECOND_NS
TIMEOUTS = {"flatten": 45 * SECOND_NS}
INTERRUPTED = 130
"""Exit code after Ctrl-C, as of a shell: the result is unknown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define COMMAND VENUE SYMBOL, the options of the commands, and how to find the bus."""
    width = max(len(name) for name in SUMMARIES)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(
        ["commands:", *(f"  {name:<{width}}  {text}" for name, text in SUMMARIES.items())]
    )
    parser.add_argument("command", choices=list(SUMMARIES), metavar="COMMAND", help="see below")
    parser.add_argument(
        "venue", metavar="VENUE", help="such as sim; _all _all means all symbols of all venues"
    )
    parser.add_argument(
        "symbol",
        type=arguments.symbol,
        metavar="SYMBOL",
        help="such as BTC/USDT:USDT, or BTCUSDT as on the page; _all means all symbols of the venue",
    )
    parser.add_argument(
        "--reason", default="", help="recorded with the command, and shown where its effect is shown"
    )
    parser.add_argument("--operator", help="recorded as the sender (default: the user name)")
    parser.add_argument(
        "--set",
        type=arguments.setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting; may be repeated",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="YAML file with settings, like one entry under `symbols` of a configuration",
    )
    parser.add_argument("--dry-run", action="store_true", help="reconcile: report only, change nothing")
    parser.add_argument(
        "--accept",
        type=arguments.signed_quantity,
        metavar="QUANTITY",
        help="reconcile: book the difference, if the venue's position is this one (on spot: if the account has as much); "
        "needs --reason",
    )
    parser.add_argument("--keep-position", action="store_true", help="remove: leave the position open")
    parser.add_argument(
        "--expires",
        type=arguments.duration,
        default=30 * SECOND_NS,
        metavar="30s",
        help="do not apply the command when it is older than this (default: 30s)",
    )
    parser.add_argument(
        "--timeout",
        type=arguments.duration,
        metavar="15s",
        help="maximum time to wait for the result (default: 15s; flatten: 45s)",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="set, add: confirm what happens at once, such as flattening at a stop that is reached already",
    )
    arguments.add_bus_options(parser)


def run(options: argparse.Namespace) -> int:
    """Send a command and print its result."""
    _check_options(options)
    if "/" in options.symbol:
        command_from(options)  # reports mistakes in the settings before anything is looked up
    address = locate_bus(BusPlace(options.bus_url, options.data_dir, options.bus_context))
    return run_main(lambda: control(address, options), is_quiet=True, interrupted=INTERRUPTED)


def command_from(options: argparse.Namespace) -> Command:
    """Return the command that the options describe, with the current time.

    Raises: CommandError when options contradict each other or settings are invalid.
    """
    _check_options(options)
    name, changes = CommandName(options.command), dict(options.set)
    command = new_command(
        name,
        VenueId(options.venue),
        options.symbol,
        reason=options.reason,
        operator=options.operator,
        lifetime=options.expires,
    )
    if name is CommandName.ADD:
        settings = read_symbol_settings(options.symbol, options.settings, changes)
        return msgspec.structs.replace(command, settings=settings, confirmed=options.yes)
    return msgspec.structs.replace(
        command,
        changes=changes,
        dry_run=options.dry_run,
        keep_position=options.keep_position,
        confirmed=options.yes,
        accept=options.accept,
    )


def new_command(
    name: CommandName,
    venue: VenueId,
    symbol: Symbol,
    *,
    reason: str,
    operator: str | None,
    lifetime: DurationNs,
) -> Command:
    """Return a command with a new id and the current time; the default operator is the user name."""
    now = time.time_ns()
    return Command(
        venue=venue,
        symbol=symbol,
        command_id=secrets.token_hex(8),
        name=name,
        operator=operator or _user_name(),
        reason=reason,
        time=now,
        expires_time=now + lifetime,
    )


def read_symbol_settings(symbol: Symbol, file: Path | None, changes: Mapping[str, str]) -> GridSettings:
    """Return the settings in a file, overridden by `changes`.

    Raises: CommandError with every mistake.
    """
    mistakes: list[Mistake] = []
    entries = {} if file is None else {entry.key: entry for entry in _file_entries(file, mistakes)}
    entries |= {name: Entry(name, 0, Scalar(value, value, 0)) for name, value in changes.items()}
    used = tuple(entry for name, entry in entries.items() if name not in IGNORED_KEYS)
    section = Section(Table(used, 1), "", mistakes)
    settings, amounts = read_settings(section)
    section.close()
    quote = symbol.partition("/")[2].partition(":")[0]
    for name, amount in amounts:
        if amount.currency != quote and section.is_valid:
            section.note(
                f"{name} has to be in {quote}, the quote currency of {symbol}, not {amount.currency}"
            )
    if mistakes and file is not None:
        raise ConfigurationError(file, mistakes)
    if mistakes:
        raise CommandError("; ".join(mistake.text for mistake in mistakes))
    return settings


async def control(address: BusAddress, options: argparse.Namespace) -> int:
    """Send a command and print its results. Return 0 when it is complete for each symbol, else 1.

    Raises: CommandError for an unknown venue or symbol, invalid settings, and when there is no bus.
    """
    async with connect_to_bus(address, "control") as bus:
        if address.note:
            print(f"bus {address}", file=sys.stderr)
        name = CommandName(options.command)
        symbol = await resolve_symbol(bus, name, VenueId(options.venue), options.symbol)
        command = command_from(argparse.Namespace(**{**vars(options), "symbol": symbol}))
        timeout = (
            TIMEOUTS.get(options.command, DEFAULT_TIMEOUT) if options.timeout is None else options.timeout
        )
        return await send(bus, command, timeout / SECOND_NS)


def _check_options(options: argparse.Namespace) -> None:
    _check_address(options)
    for option, commands in OPTION_COMMANDS.items():
        value = getattr(options, option)
        is_given = value is not None and value is not False and value != []  # an accepted position may be 0
        if is_given and options.command not in commands:
            raise CommandError(
                f"--{option.replace('_', '-')} is an option of {' and '.join(commands)}, not of {options.command}"
            )
    if options.accept is not None and not options.reason.strip():
        raise CommandError("--accept needs a reason: --reason 'liquidated at 10:32'")
    if options.accept is not None and options.symbol == ALL:
        raise CommandError("--accept needs one symbol, not _all")
    if options.command == "set" and not options.set:
        raise CommandError("set needs at least one change: --set 'order_amount=40 USDT'")
    if options.command == "add" and not (options.set or options.settings):
        raise CommandError("add needs settings: --settings FILE, or --set mode=long --set ...")


def _check_address(options: argparse.Namespace) -> None:
    venue, symbol = options.venue, options.symbol
    if venue != ALL and not subjects.is_venue_id(venue):
        raise CommandError(f"the name of a venue has letters, digits and -, not {venue!r}")
    if venue == ALL and symbol != ALL:
        raise CommandError(f"{symbol} of which venue? _all as the venue means all symbols: {ALL} {ALL}")
    if symbol == ALL and options.command == "add":
        raise CommandError("add needs the name of one venue and of one symbol")


def _file_entries(file: Path, mistakes: list[Mistake]) -> tuple[Entry, ...]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    tree, found = parse(text, os.environ)
    mistakes += found
    if isinstance(tree, Table):
        return tree.entries
    if tree is not None:
        mistakes.append(Mistake(1, "the file has to be a table of keys and values: one entry of symbols"))
    return ()


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
