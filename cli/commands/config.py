"""`opensqt config check`: validate a configuration file and print a summary."""

import argparse
import os
from pathlib import Path

from cli import units
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.config.show import effective
from cli.config.warnings import fees_of_both_sides, interval_ratio, warnings
from cli.console import table
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioSettings

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
    check_parser.add_argument(
        "--show",
        action="store_true",
        help="print the configuration as it takes effect, with the variables that set a value; secrets are hidden",
    )


def run(options: argparse.Namespace) -> int:
    """Check a configuration file."""
    return check(options.file, is_shown=options.show)


def check(path: Path | None, *, is_shown: bool = False) -> int:
    """Print a summary of a configuration file, by default of the one that ships; or the file as it takes effect.

    Raises: ConfigurationError.
    """
    file = path or DEFAULT_FILE
    configuration = load(file)
    if is_shown:
        print(effective(file.read_text(encoding="utf-8"), os.environ))
        return 0
    found = warnings(configuration)
    print("\n".join([f"{file}: OK{_count(len(found))}", "", summary(configuration), *found]))
    return 0


def _count(warnings: int) -> str:
    return f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""


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
            f"instance {configuration.instance or 'drawn at the first start'}",
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
    ratio, interval = interval_ratio(settings, symbol), settings.price_interval
    return [
        entry.symbol,
        settings.mode,
        f"{settings.order_amount} {quote}",
        units.percent_text(ratio) if interval is None else f"{interval} {quote}",
        units.percent_text(ratio - fees_of_both_sides(symbol)),
        str(settings.buy_window),
        str(settings.sell_window),
        f"{settings.order_amount * settings.buy_window} {quote}",
    ]


def _instruments(configuration: Configuration) -> list[tuple[SymbolEntry, SymbolSettings]]:
    return [(entry, configuration.settings_of(entry)) for entry in configuration.symbols]
