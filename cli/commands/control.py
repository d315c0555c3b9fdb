"""`opensqt control`: send one command to the engine through the bus and print the result."""

import argparse
import asyncio
import getpass
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bus import Bus
from bus.commands import submit, traded_symbols
from cli import parser as arguments
from cli.background import run_main
from cli.config.file import ConfigurationError
from cli.config.section import Section
from cli.config.symbols import read_settings
from cli.config.yaml import Entry, Mistake, Scalar, Table, parse
from cli.errors import CommandError
from cli.stack.connection import bus_url, connect_to_bus
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.grid.settings import GridSettings
from schemas.subjects import ALL
from schemas.units import SECOND_NS, DurationNs, Symbol, VenueId

DESCRIPTION = "Send a command to the engine and print the result."
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
}
"""Options that only some commands accept."""
IGNORED_KEYS = ("venue", "symbol", "generation")
"""Keys of a settings file that the command line or the engine determines."""
OUTCOMES = {
    CommandOutcome.APPLIED: "applied",
    CommandOutcome.UNCHANGED: "nothing to do",
    CommandOutcome.EXPIRED: "expired, not applied",
    CommandOutcome.REFUSED: "refused",
}


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
        help="such as BTC/USDT:USDT or BTC-USDT_USDT; _all means all symbols of the venue",
    )
    parser.add_argument("--reason", default="", help="recorded with the command")
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
        default=10 * SECOND_NS,
        metavar="10s",
        help="maximum time to wait for the result (default: 10s)",
    )
    arguments.add_bus_options(parser)


def run(options: argparse.Namespace) -> int:
    """Send a command and print its result."""
    command = command_from(options)
    url = bus_url(options.bus_url, options.data_dir)
    return run_main(lambda: control(url, command, options.timeout / SECOND_NS), is_quiet=True)


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
        return msgspec.structs.replace(command, settings=settings)
    return msgspec.structs.replace(
        command,
        changes=changes,
        dry_run=options.dry_run,
        keep_position=options.keep_position,
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


async def control(url: str, command: Command, timeout_s: float) -> int:
    """Send a command and print its result. Return 0 when it was applied or changed nothing, else 1.

    Raises: CommandError when the symbol is not traded or no result arrives in time: then the command may be applied
    later.
    """
    async with connect_to_bus(url, "control") as bus:
        await _check_symbol(bus, command)
        try:
            async with asyncio.timeout(timeout_s):
                result = await submit(bus, command)
        except TimeoutError:
            left_s = max((command.expires_time - time.time_ns()) / SECOND_NS, 0)
            fate = (
                f"an engine that starts within {left_s:.0f} s still applies it"
                if left_s
                else "it has expired"
            )
            raise CommandError(
                f"no result within {timeout_s:g} s: check with `opensqt status` that the engine runs. "
                f"The command (id {command.command_id}) was given to the bus; {fate}"
            ) from None
    detail = f" ({result.detail})" if result.detail else ""
    print(f"{command.name} {command.venue} {command.symbol}: {OUTCOMES[result.outcome]}{detail}")
    return 0 if _is_success(result) else 1


def _is_success(result: CommandResult) -> bool:
    return result.outcome in {CommandOutcome.APPLIED, CommandOutcome.UNCHANGED}


async def _check_symbol(bus: Bus, command: Command) -> None:
    if command.name is CommandName.ADD or command.symbol == ALL:
        return  # the engine itself rejects these when venue or symbol are unknown
    keys = await traded_symbols(bus)
    if subjects.registry_key(command.venue, command.symbol) not in keys:
        names = ", ".join(sorted(_readable(key) for key in keys)) or "none"
        raise CommandError(f"{command.venue} {command.symbol} is not traded here; traded symbols: {names}")


def _readable(key: str) -> str:
    venue, _, token = key.partition(".")
    return f"{venue} {subjects.unescape(token)}"


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
