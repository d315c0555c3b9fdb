"""Read a configuration file; all mistakes are reported at once, each with its line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cli.config.bus import BusSettings, read_bus
from cli.config.cross_checks import cross_check, nearest
from cli.config.http import HttpSettings, read_allowed_users, read_http
from cli.config.logs import LoggingSettings, read_logging
from cli.config.overrides import override
from cli.config.portfolio import read_portfolio
from cli.config.section import Section
from cli.config.symbols import read_symbol
from cli.config.venues import address, read_venue
from cli.config.yaml import Mistake, parse
from cli.errors import CommandError
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import Symbol, VenueId
from schemas.venue.instruments import quote_of

DEFAULT_FILE = Path(__file__).with_name("default.yaml")
_INSTANCE = re.compile(r"[a-z0-9]{3}\Z")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A valid configuration."""

    instance: str
    """Identifies this installation in its order ids; empty to draw one at the first start."""
    venues: tuple[VenueSettings, ...]
    """The simulated venues, at least one; `up` sets their stores, hosts and ports."""
    symbols: tuple[SymbolEntry, ...]
    venue_urls: dict[VenueId, str] = {}
    """Where other parts reach a venue, as far as the file says; `up` chooses these addresses itself."""
    portfolio: PortfolioSettings = PortfolioSettings()
    """Limits over all symbols of all venues."""
    bus: BusSettings = BusSettings()
    http: HttpSettings = HttpSettings()
    logging: LoggingSettings = LoggingSettings()

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
        lines = [
            f"{f'{path}:{mistake.line}' if mistake.line else 'environment'}: {mistake.text}"
            for mistake in self.mistakes
        ]
        count = f"{len(lines)} mistakes" if len(lines) > 1 else "a mistake"
        super().__init__("\n".join([f"{count} in the configuration", *lines]))


def load(path: Path, environment: Mapping[str, str] | None = None, *, has_http: bool = True) -> Configuration:
    """Return the configuration in a file; without `has_http` its section `http` is left out, and needs no secrets.

    Raises: ConfigurationError with every mistake; CommandError when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 at byte {error.start}") from error
    variables = os.environ if environment is None else environment
    configuration, mistakes = read(text, variables, path.absolute().parent, has_http=has_http)
    if configuration is None:
        raise ConfigurationError(path, mistakes)
    return configuration


def read(
    text: str, environment: Mapping[str, str], folder: Path = Path(), *, has_http: bool = True
) -> tuple[Configuration | None, list[Mistake]]:
    """Return the configuration in a text, or None and its mistakes; paths in it are relative to `folder`."""
    tree, mistakes = parse(text, environment)
    if tree is None:
        return None, mistakes
    tree = override(tree, environment, mistakes)
    top = Section(tree, "", mistakes)
    instance = top.optional("instance", _instance, "")
    bus = read_bus(top, folder)
    http = read_http(top) if has_http else read_allowed_users(top)
    venues = top.section("venues")
    read_venues = (
        [read_venue(name, section, folder) for name, section in venues.named_sections()] if venues else []
    )
    symbols = [read_symbol(section, instance) for section in top.listed_sections("symbols")]
    portfolio = read_portfolio(
        top.section("portfolio"),
        traded={quote_of(each.entry.symbol) for each in symbols} - {""},
        listed={quote_of(symbol) for venue in read_venues for symbol in venue.instruments} - {""},
    )
    if not symbols:
        top.note("symbols is empty: list at least one symbol to trade", top.line_of("symbols"))
    _check_served(top, http, [symbol.entry.symbol for symbol in symbols])
    logs = read_logging(top)
    top.close()
    cross_check(top, read_venues, symbols)
    if mistakes:
        return None, mistakes
    configuration = Configuration(
        instance=instance,
        venues=tuple(venue.settings for venue in read_venues),
        symbols=tuple(symbol.entry for symbol in symbols),
        venue_urls={
            venue.settings.venue: url
            for venue in read_venues
            if (url := venue.url or address(venue.settings))
        },
        portfolio=portfolio,
        bus=bus,
        http=http,
        logging=logs,
    )
    return configuration, []


def _check_served(top: Section, http: HttpSettings, known: list[Symbol]) -> None:
    for symbol, line in http.symbols:
        if symbol not in known:
            top.note(
                f"http.symbols has {symbol}, which is not in symbols; {nearest(symbol, list(known))}", line
            )


def _instance(text: str) -> str:
    if not _INSTANCE.match(text):
        raise ValueError("has to be three characters of a-z and 0-9, like sqt")
    return text
