"""The command line of `opensqt control`: what each command takes, and the command that is meant."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cli import arguments
from cli.errors import CommandError

if TYPE_CHECKING:
    from schemas.engine.control import Command

COMMANDS = {
    "pause": "open nothing; what closes goes on",
    "resume": "quote again, after a pause or a stop",
    "stop": "cancel all orders of ours, keep the position",
    "flatten": "cancel all orders of ours, close the position, then stay stopped",
    "trip": "open the circuit breaker",
    "reset": "close it",
    "reconcile": "compare with the venue now, and tell what was found (--dry-run: change nothing)",
    "add": "trade a symbol from now on (--settings FILE, --set NAME=VALUE)",
    "remove": "stop, and trade it no more; refused with a position, unless --keep-position",
    "set": "change settings while it runs (--set NAME=VALUE); those that may not are told",
}
BELONGS_TO = {
    "set": ("set", "add"),
    "settings": ("add",),
    "dry_run": ("reconcile",),
    "keep_position": ("remove",),
}
"""Options that only some commands take."""


def describe(control: argparse.ArgumentParser) -> None:
    """Add the arguments of `control`, but where the bus is."""
    width = max(len(name) for name in COMMANDS)
    control.formatter_class = argparse.RawDescriptionHelpFormatter
    control.epilog = "\n".join(
        ["commands:", *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())]
    )
    control.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="see below")
    control.add_argument("venue", help="such as sim")
    control.add_argument(
        "symbol",
        type=arguments.symbol,
        help="such as BTC/USDT:USDT, or BTC-USDT_USDT; _all is the venue as a whole",
    )
    control.add_argument("--reason", default="", help="kept with the command")
    control.add_argument("--operator", help="who gives it (default: the user)")
    control.add_argument(
        "--set", type=arguments.setting, action="append", default=[], metavar="NAME=VALUE", help="a setting"
    )
    control.add_argument(
        "--settings", type=Path, metavar="FILE", help="YAML: an entry of a configuration's symbols"
    )
    control.add_argument("--dry-run", action="store_true", help="reconcile: only tell what would be done")
    control.add_argument("--keep-position", action="store_true", help="remove: what is held stays as it is")
    control.add_argument(
        "--expires", type=arguments.duration, default=30 * 10**9, metavar="30s", help="not applied when older"
    )
    control.add_argument(
        "--timeout", type=arguments.duration, default=10 * 10**9, metavar="10s", help="wait so long"
    )


def meant(options: argparse.Namespace) -> "Command":
    """Return the command that is meant, given now.

    Raises: CommandError when the options do not go together, or the settings have mistakes.
    """
    import msgspec

    from cli.commands.control import command
    from cli.commands.control_settings import read_settings_of
    from schemas.engine.control import CommandName
    from schemas.units import VenueId

    _check(options)
    name, changes = CommandName(options.command), dict(options.set)
    given = command(
        name,
        VenueId(options.venue),
        options.symbol,
        reason=options.reason,
        operator=options.operator,
        lifetime=options.expires,
    )
    if name is CommandName.ADD:
        return msgspec.structs.replace(
            given, settings=read_settings_of(options.symbol, options.settings, changes)
        )
    return msgspec.structs.replace(
        given, changes=changes, dry_run=options.dry_run, keep_position=options.keep_position
    )


def _check(options: argparse.Namespace) -> None:
    for option, commands in BELONGS_TO.items():
        if getattr(options, option) and options.command not in commands:
            raise CommandError(
                f"--{option.replace('_', '-')} goes with {' or '.join(commands)}, not {options.command}"
            )
    if options.command == "set" and not options.set:
        raise CommandError("set needs what to change: --set 'order_amount=40 USDT'")
    if options.command == "add" and not (options.set or options.settings):
        raise CommandError("add needs settings: --settings FILE, or --set mode=long --set ...")
