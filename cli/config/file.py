"""Read a configuration file; all mistakes are reported at once, each with its line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cli.config.bus import BusSettings, read_bus
from cli.config.cross_checks import cross_check
from cli.config.http import HttpSettings, read_http
from cli.config.portfolio import read_portfolio
from cli.config.section import Section
from cli.config.symbols import read_symbol
from cli.config.venues import read_venue
from cli.config.yaml import Mistake, parse
from cli.errors import CommandError
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings
from schemas.venue.instruments import quote_of

DEFAULT_FILE = Path(__file__).with_name("default.yaml")
DEFAULT_INSTANCE = "sqt"
_INSTANCE = re.compile(r"[a-z0-9]{3}\Z")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A valid configuration."""

    instance: str
    """Identifies this installation in its order ids."""
    venues: tuple[VenueSettings, ...]
    """The simulated venues, at least one; `up` sets their stores and ports."""
    symbols: tuple[SymbolEntry, ...]
    portfolio: PortfolioSettings = PortfolioSettings()
    """Limits over all symbols of all venues."""
    bus: BusSettings = BusSettings()
    http: HttpSettings = HttpSettings()

    @property
    def venue(self) -> VenueSettings:
        """The first venue: the only one of a replay."""
        return self.venues[0]

    def venue_of(self, entry: SymbolEntry) -> VenueSettings:
        """Return the venue of a symbol."""
        return next(each for each in self.venues if each.venue == entry.venue)

    def settings_of(self, entry: SymbolEntry) -> SymbolSettings:
        """Return a symbol's instrument and market model."""
        symbols = self.venue_of(entry).symbols
        return next(each for each in symbols if each.instrument.symbol == entry.symbol)

    @property
    def venue_names(self) -> str:
        """The names of the venues, for people: `sim, sim2`."""
        return ", ".join(each.venue for each in self.venues)


class ConfigurationError(CommandError):
    """A configuration file has mistakes."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        lines = [f"{path}:{mistake.line}: {mistake.text}" for mistake in self.mistakes]
        count = f"{len(lines)} mistakes" if len(lines) > 1 else "a mistake"
        super().__init__("\n".join([f"{count} in the configuration", *lines]))


def load(path: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """Return the configuration in a file.

    Raises: ConfigurationError with every mistake; CommandError when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 at byte {error.start}") from error
    configuration, mistakes = read(text, os.environ if environment is None else environment)
    if configuration is None:
        raise ConfigurationError(path, mistakes)
    return configuration


def read(text: str, environment: Mapping[str, str]) -> tuple[Configuration | None, list[Mistake]]:
    """Return the configuration in a text, or None and its mistakes."""
    tree, mistakes = parse(text, environment)
    if tree is None:
        return None, mistakes
    top = Section(tree, "", mistakes)
    instance = top.optional("instance", _instance, DEFAULT_INSTANCE)
    bus, http = read_bus(top), read_http(top)
    venues = top.section("venues")
    read_venues = [read_venue(name, section) for name, section in venues.named_sections()] if venues else []
    symbols = [read_symbol(section, instance) for section in top.listed_sections("symbols")]
    portfolio = read_portfolio(
        top.section("portfolio"),
        traded={quote_of(each.entry.symbol) for each in symbols} - {""},
        listed={quote_of(symbol) for venue in read_venues for symbol in venue.instruments} - {""},
    )
    if not symbols:
        top.note("symbols is empty: list at least one symbol to trade", top.line_of("symbols"))
    top.close()
    cross_check(top, read_venues, symbols)
    if mistakes:
        return None, mistakes
    configuration = Configuration(
        instance=instance,
        venues=tuple(venue.settings for venue in read_venues),
        symbols=tuple(symbol.entry for symbol in symbols),
        portfolio=portfolio,
        bus=bus,
        http=http,
    )
    return configuration, []


def _instance(text: str) -> str:
    if not _INSTANCE.match(text):
        raise ValueError("has to be three characters of a-z and 0-9, like sqt")
    return text
