"""`opensqt config check`: validate a configuration file and print a summary."""

import argparse
from pathlib import Path

from cli import units
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.console import table
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import Ratio

DESCRIPTION = "Work with configuration files."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the subcommand `check [FILE]`."""
    check_parser = parser.add_subparsers(required=True, metavar="check").add_parser(
        "check",
        description="Validate a configuration file: print a summary, or every error with its line number.",
    )
    check_parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="print tracebacks of errors"
    )
    check_parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="default: the configuration that ships"
    )


def run(options: argparse.Namespace) -> int:
    """Check a configuration file."""
    return check(options.file)


def check(path: Path | None) -> int:
    """Print a summary of a configuration file, by default of the one that ships.

    Raises: ConfigurationError.
    """
    file = path or DEFAULT_FILE
    configuration = load(file)
    print("\n".join([f"{file}: OK", "", summary(configuration), *warnings(configuration)]))
    return 0


def warnings(configuration: Configuration) -> list[str]:
    """Return settings that are valid but probably not intended, one line each."""
    losing = [(e, s) for e, s in _instruments(configuration) if _interval_ratio(e, s) <= _fees(s)]
    return [
        f"warning: {entry.symbol} loses money on every round trip: its interval is "
        f"{units.percent_text(_interval_ratio(entry, symbol))}, the fees of both sides are "
        f"{units.percent_text(_fees(symbol))}"
        for entry, symbol in losing
    ]


def summary(configuration: Configuration) -> str:
    """Return a readable summary of what would run."""
    has_venues = len(configuration.venues) > 1
    rows = [
        [*([entry.venue] if has_venues else []), *_row(entry, symbol)]
        for entry, symbol in _instruments(configuration)
    ]
    columns = ["SYMBOL", "MODE", "AMOUNT", "INTERVAL", "AFTER FEES", "BUYS", "SELLS", "TAKES UP TO"]
    head = ["VENUE", *columns] if has_venues else columns
    return "\n".join(
        [
            f"instance {configuration.instance}",
            *(_venue_line(venue) for venue in configuration.venues),
            "",
            table(head, rows, frozenset(range(head.index("AMOUNT"), len(head)))),
            *_limit_lines(configuration.portfolio),
        ]
    )


def _venue_line(venue: VenueSettings) -> str:
    balances = ", ".join(f"{total} {asset}" for asset, total in venue.balances.items())
    return f"venue {venue.venue} (simulated, seed {venue.seed}), {balances}"


def _limit_lines(portfolio: PortfolioSettings) -> list[str]:
    limits = portfolio.currencies.items()
    found = [f"{each.max_exposure} {currency}" for currency, each in limits if each.max_exposure]
    return ["", f"exposure of all symbols at most {', '.join(found)}"] if found else []


def _row(entry: SymbolEntry, symbol: SymbolSettings) -> list[str]:
    settings, quote = entry.settings, symbol.instrument.quote
    ratio, interval = _interval_ratio(entry, symbol), settings.price_interval
    return [
        entry.symbol,
        settings.mode,
        f"{settings.order_amount} {quote}",
        units.percent_text(ratio) if interval is None else f"{interval} {quote}",
        units.percent_text(ratio - _fees(symbol)),
        str(settings.buy_window),
        str(settings.sell_window),
        f"{settings.order_amount * settings.buy_window} {quote}",
    ]


def _instruments(configuration: Configuration) -> list[tuple[SymbolEntry, SymbolSettings]]:
    return [(entry, configuration.settings_of(entry)) for entry in configuration.symbols]


def _interval_ratio(entry: SymbolEntry, symbol: SymbolSettings) -> Ratio:
    """Return the distance between levels at the start price as a ratio, rounded to 1e-6."""
    if entry.settings.price_interval is not None:
        return round(entry.settings.price_interval / symbol.start_price, 6)
    assert entry.settings.interval_ratio is not None, "the file reader requires one of the two"
    return entry.settings.interval_ratio


def _fees(symbol: SymbolSettings) -> Ratio:
    return 2 * symbol.instrument.maker_fee
