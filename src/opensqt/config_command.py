"""`opensqt config check`: what a configuration file says, or all that is wrong with it."""

from pathlib import Path

from opensqt import units
from opensqt.config import DEFAULT_FILE, Configuration, load
from opensqt.console import table
from schemas.journal import SymbolEntry


def check(path: Path | None) -> int:
    """Print a summary of a configuration file, of the default one when none is given.

    Raises: ConfigurationError.
    """
    file = path or DEFAULT_FILE
    print(f"{file}: OK\n\n{summary(load(file))}")
    return 0


def summary(configuration: Configuration) -> str:
    """Return what would run, for people."""
    venue = configuration.venue
    balances = ", ".join(f"{total} {asset}" for asset, total in venue.balances.items())
    rows = [_row(configuration, entry) for entry in configuration.symbols]
    head = ["SYMBOL", "MODE", "AMOUNT", "INTERVAL", "AFTER FEES", "BUYS", "SELLS", "TAKES UP TO"]
    return "\n".join(
        [
            f"instance {configuration.instance}, venue {venue.venue} (simulated, seed {venue.seed}), {balances}",
            "",
            table(head, rows, frozenset(range(2, len(head)))),
        ]
    )


def _row(configuration: Configuration, entry: SymbolEntry) -> list[str]:
    settings = entry.settings
    symbol = next(s for s in configuration.venue.symbols if s.instrument.symbol == entry.symbol)
    quote = symbol.instrument.quote
    if settings.price_interval is not None:
        interval, share = f"{settings.price_interval} {quote}", settings.price_interval / symbol.start_price
    else:
        share = settings.interval_ratio or settings.order_amount * 0
        interval = units.percent_text(share)
    after_fees = round(share - 2 * symbol.instrument.maker_fee, 6)
    return [
        entry.symbol,
        settings.mode,
        f"{settings.order_amount} {quote}",
        interval,
        units.percent_text(after_fees),
        str(settings.buy_window),
        str(settings.sell_window),
        f"{settings.order_amount * settings.buy_window} {quote}",
    ]
