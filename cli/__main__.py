"""Entry point of `opensqt`: look up the command, parse its arguments, run it."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import cast

from cli.console import run_closable
from cli.errors import CommandError
from cli.parser import COMMANDS, FORWARDED, LOGGING, CommandModule, command_parser, main_parser
from cli.program import program


def main() -> int:
    """Run the command line of this process and return the exit code."""
    line = sys.argv[1:]
    if line and line[0] == "--debug":
        os.environ["OPENSQT_DEBUG"] = "1"
        del line[0]
    try:
        return run_closable(lambda: _run(line))
    except CommandError as error:
        if os.environ.get("OPENSQT_DEBUG"):
            raise
        _print_error(str(error), is_part=bool(line) and line[0] in LOGGING)
        return 1


def _print_error(text: str, *, is_part: bool) -> None:
    if is_part and os.environ.get("OPENSQT_LOG_FORMAT") == "json":
        from bus.log import configure_log, write_error

        configure_log()
        write_error(text)
        return
    print(f"error: {text}", file=sys.stderr)


def parse(name: str, arguments: Sequence[str]) -> tuple[CommandModule, argparse.Namespace]:
    """Return the module of a command and its parsed arguments.

    Only this command's module is imported, so `opensqt --help` imports none.
    """
    command = cast("CommandModule", importlib.import_module(f"cli.commands.{name.replace('-', '_')}"))
    return command, command_parser(name, command).parse_args(arguments)


def _run(line: Sequence[str]) -> int:
    name, arguments = (line[0], line[1:]) if line else ("--help", [])
    if name.startswith("-"):
        main_parser().parse_args(line or [name])
        main_parser().error("a command is missing")
    if name not in COMMANDS:
        raise CommandError(f"there is no command {name}; `{program()} --help` lists the commands")
    if name == "test":
        from cli.commands.test import exec_pytest

        exec_pytest(arguments)
    if name in FORWARDED:
        from cli.entry_points import exec_module

        exec_module(name, arguments)
    command, options = parse(name, arguments)
    if options.debug:
        os.environ["OPENSQT_DEBUG"] = "1"
    return command.run(options)


if __name__ == "__main__":
    sys.exit(main())
