"""Commands that run another package: the parts by themselves (production, compose) and the tools of `lab`.

A part takes what concerns it from the file of `--config`: the bus, its venue, the section `http`, the logging. The command
line comes before the environment, and the environment before the file.
"""

import os
import sys
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Never

import msgspec

from bus import OptionParser, add_log_options
from bus.client.context import CONTEXT_VARIABLE, URL_VARIABLE
from cli.config.cross_checks import nearest
from cli.config.file import Configuration, load
from cli.errors import CommandError
from cli.stack.live_server import live_server_environment, user_environment
from cli.stack.process import module_command
from producers.simulated.settings import VenueSettings

MODULES: dict[str, tuple[str, ...]] = {
    "venue": ("producers.simulated",),
    "market": ("producers", "market"),
    "account": ("producers", "account"),
    "gateway": ("producers", "gateway"),
    "engine": ("engine",),
    "liveserver": ("liveserver",),
    "verify": ("lab.chaos",),
    "simulate": ("lab.simulation",),
    "scenario": ("lab.scenarios",),
    "bench": ("lab.bench",),
}
"""The arguments of `python -m` for each command."""
OF_VENUE = frozenset({"venue", "market", "account", "gateway"})
"""The parts that a venue has of its own."""
PARTS = OF_VENUE | {"engine", "liveserver"}


def exec_module(name: str, arguments: Sequence[str]) -> Never:
    """Replace this process by the command's module.

    Raises: CommandError when the configuration of a part is invalid.
    """
    if name in PARTS and not {"--help", "-h"} & {*arguments}:
        arguments = configured(name, arguments, os.environ)
    command = module_command(*MODULES[name], *arguments)
    sys.stdout.flush()
    os.execv(command[0], command)


def configured(part: str, arguments: Sequence[str], environment: MutableMapping[str, str]) -> list[str]:
    """Return a part's arguments without `--config FILE`; what they lack of the file is put into `environment`.

    Raises: CommandError when the file is missing or invalid, or has not the venue.
    """
    parser = OptionParser(prog=f"opensqt {part}", environment=environment, add_help=False)
    parser.add_argument("--config", type=Path)
    if part in OF_VENUE:
        parser.add_argument("--venue")
    add_log_options(parser)
    options, unknown = parser.parse_known_args(list(arguments))
    if options.config is None:
        return list(arguments)
    chosen = (("--log-format", options.log_format), ("--log-level", options.log_level))
    rest: list[str] = [*unknown, *(f"{option}={value}" for option, value in chosen if value is not None)]
    configuration = load(options.config, environment, has_http=part == "liveserver")
    configuration.logging.set_defaults(environment)
    if not _names_bus(rest, environment):
        _set_bus(configuration, environment)
    for variable, users in user_environment(configuration).items():
        environment.setdefault(variable, users)
    if part == "liveserver":
        environment.update(live_server_environment(configuration))
    if part not in OF_VENUE:
        return rest
    venue = _venue(configuration, options.venue)
    if part == "venue":
        return [*_settings(venue), *rest]
    if (url := configuration.venue_urls.get(venue.venue)) is not None:
        environment.setdefault("OPENSQT_VENUE_URL", url)
    return [f"--venue={venue.venue}", *rest]


def _names_bus(arguments: Sequence[str], environment: MutableMapping[str, str]) -> bool:
    is_in_environment = environment.get(URL_VARIABLE) or environment.get(CONTEXT_VARIABLE)
    return bool(is_in_environment) or any(
        each.startswith(("--bus-url", "--bus-context")) for each in arguments
    )


def _set_bus(configuration: Configuration, environment: MutableMapping[str, str]) -> None:
    """URL and context are one setting: the file's apply only if neither is given."""
    if configuration.bus.url is not None:
        environment[URL_VARIABLE] = configuration.bus.url
    if configuration.bus.context is not None:
        environment[CONTEXT_VARIABLE] = str(configuration.bus.context)


def _venue(configuration: Configuration, name: str | None) -> VenueSettings:
    """Return the venue that is named, else the only one of the file."""
    if name is None:
        if len(configuration.venues) > 1:
            raise CommandError(f"--venue is missing: the configuration has {configuration.venue_names}")
        return configuration.venue
    for each in configuration.venues:
        if each.venue == name:
            return each
    known = [str(each.venue) for each in configuration.venues]
    raise CommandError(f"the configuration has no venue {name!r}; {nearest(name, known)}")


def _settings(venue: VenueSettings) -> list[str]:
    """Return the option that passes the settings, in an unnamed file that the program inherits."""
    with tempfile.TemporaryFile() as file:
        file.write(msgspec.json.encode(venue))
        file.flush()
        file.seek(0)
        descriptor = os.dup(file.fileno())
    os.set_inheritable(descriptor, True)
    return [f"--settings=/dev/fd/{descriptor}"]
