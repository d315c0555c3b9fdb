"""Options of the programs: each one can also come from the environment; credentials come from files alone."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bus.client.context import BusContext, choose_context
from bus.log import FORMATS, LEVELS, configure_log, is_json_log, write_error

PREFIX = "OPENSQT_"
COMMAND_LINE_ONLY = frozenset({"--help", "--version", "--debug", "--yes", "--force", "--accept"})
"""Options that are not read from the environment: a confirmation is given for one command."""
LOG_FORMAT, LOG_LEVEL = "--log-format", "--log-level"
TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class OptionParser(argparse.ArgumentParser):
    """Reads each option that the command line does not have from the environment.

    `--http-port 8080` is `OPENSQT_HTTP_PORT=8080`; a flag is `1` or `0`; values of an option that may be repeated are
    separated by commas.
    """

    def __init__(self, *args: Any, environment: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self._environment = os.environ if environment is None else environment

    def parse_known_args(  # type: ignore[override] # its overloads are about the type of the namespace
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse the command line and the environment."""
        given = list(sys.argv[1:] if args is None else args)
        if LOG_FORMAT in self._option_string_actions:
            self._configure_log(given)
        return super().parse_known_args([*self._from_environment(given), *given], namespace)

    def error(self, message: str) -> NoReturn:
        """Print an error of the command line and exit; with JSON logs without the usage."""
        if is_json_log():
            write_error(message, self.prog.rpartition(" ")[2])
            self.exit(2)
        super().error(message)

    def _configure_log(self, given: Sequence[str]) -> None:
        """Set up logging before anything else is parsed, so that also errors of the command line have its format."""
        chosen = [
            _last_value(given, option) or self._environment.get(variable_of(option)) or None
            for option in (LOG_LEVEL, LOG_FORMAT)
        ]
        level, log_format = (
            value if value in known else None for value, known in zip(chosen, (LEVELS, FORMATS), strict=True)
        )
        configure_log(level, log_format, self.prog.rpartition(" ")[2])

    def _from_environment(self, given: Sequence[str]) -> list[str]:
        names = {each.partition("=")[0] for each in given}
        found: list[str] = []
        for action in self._actions:
            option = next((each for each in action.option_strings if each.startswith("--")), None)
            if option is None or option in COMMAND_LINE_ONLY or names.intersection(action.option_strings):
                continue
            variable = variable_of(option)
            value = self._environment.get(variable)
            if value is not None:
                found += self._arguments(action, option, variable, value)
        return found

    def _arguments(self, action: argparse.Action, option: str, variable: str, value: str) -> list[str]:
        if action.nargs == 0:
            if value.lower() in TRUE:
                return [option]
            if value.lower() not in FALSE:
                self.error(f"{variable} is a flag: set it to 1 or 0, not to {value!r}")
            return []
        if not value:
            return []
        # An option that may be repeated.
        is_list = type(action).__name__ == "_AppendAction"
        return [f"{option}={each.strip()}" for each in (value.split(",") if is_list else [value])]


def variable_of(option: str) -> str:
    """Return the environment variable of an option: `OPENSQT_HTTP_PORT` of `--http-port`."""
    return PREFIX + option.removeprefix("--").replace("-", "_").upper()


def add_bus_options(parser: argparse.ArgumentParser, default: str = "nats://127.0.0.1:4222") -> None:
    """Add --bus-url and --bus-context."""
    parser.add_argument(
        "--bus-url", metavar="URL", help=f"URL of the bus, or of its servers, separated by commas ({default})"
    )
    parser.add_argument(
        "--bus-context",
        type=Path,
        metavar="FILE",
        help="file with address and credentials of the bus, in the format of a context of the nats tool",
    )


def add_http_options(parser: argparse.ArgumentParser) -> None:
    """Add --http-host and --http-port, the address of a part's own pages."""
    parser.add_argument(
        "--http-host", default="127.0.0.1", help="address of /health, /status and /metrics (%(default)s)"
    )
    parser.add_argument("--http-port", type=int, default=0, help="their port; 0 takes any free one")


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add --log-format and --log-level; `OptionParser` applies them."""
    parser.add_argument(LOG_FORMAT, choices=FORMATS, help="format of the log (text)")
    parser.add_argument(LOG_LEVEL, choices=tuple(LEVELS), help="lowest level that is logged (info)")


def _last_value(given: Sequence[str], option: str) -> str | None:
    found = None
    for i, each in enumerate(given):
        name, equals, value = each.partition("=")
        if name == option:
            found = value if equals else next(iter(given[i + 1 : i + 2]), None)
    return found


def bus_context(options: argparse.Namespace) -> BusContext:
    """Return the context that the options describe; the default URL without any.

    Raises: InvalidContext.
    """
    return choose_context(options.bus_url, options.bus_context) or BusContext()
