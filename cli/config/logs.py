"""The `logging` section of a configuration: format and level of the logs of all parts."""

import os
from collections.abc import Callable, Collection, MutableMapping

import msgspec

from bus.log import FORMAT_VARIABLE, FORMATS, LEVEL_VARIABLE, LEVELS, OLD_LEVEL_VARIABLE, configure_log
from cli.config.section import Section


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A valid `logging` section; None is not set."""

    format: str | None = None
    level: str | None = None

    def apply(self) -> None:
        """Use the settings in this process, unless its environment has others, and in its children."""
        self.set_defaults(os.environ)
        configure_log(os.environ.get(LEVEL_VARIABLE) or os.environ.get(OLD_LEVEL_VARIABLE))

    def set_defaults(self, environment: MutableMapping[str, str]) -> None:
        """Set the variables of the logging that the environment lacks."""
        if self.format is not None:
            environment.setdefault(FORMAT_VARIABLE, self.format)
        if self.level is not None and OLD_LEVEL_VARIABLE not in environment:
            environment.setdefault(LEVEL_VARIABLE, self.level)


def read_logging(top: Section) -> LoggingSettings:
    """Read the section and note its problems."""
    section = top.section("logging")
    if section is None:
        return LoggingSettings()
    settings = LoggingSettings(
        format=section.optional("format", _one_of(FORMATS), None),
        level=section.optional("level", _one_of(LEVELS), None),
    )
    section.close()
    return settings


def _one_of(known: Collection[str]) -> Callable[[str], str | None]:
    def parse(text: str) -> str | None:
        if text not in known:
            raise ValueError(f"has to be {' or '.join(known)}")
        return text

    return parse
