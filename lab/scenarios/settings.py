"""What a scenario changes of the configuration that it begins with."""

from typing import Any

import msgspec

from cli.config.file import Configuration
from schemas.units import Symbol


def unchanged(configuration: Configuration) -> Configuration:
    """Return a configuration as it is."""
    return configuration


def with_grids(configuration: Configuration, symbol: Symbol | None = None, **settings: Any) -> Configuration:
    """Return a configuration with other settings of all grids, or of one."""
    entries = tuple(
        msgspec.structs.replace(entry, settings=msgspec.structs.replace(entry.settings, **settings))
        if symbol in {None, entry.symbol}
        else entry
        for entry in configuration.symbols
    )
    return msgspec.structs.replace(configuration, symbols=entries)


def with_venue(configuration: Configuration, **settings: Any) -> Configuration:
    """Return a configuration with other settings of the simulated venue."""
    return msgspec.structs.replace(
        configuration, venue=msgspec.structs.replace(configuration.venue, **settings)
    )


def with_fees(configuration: Configuration, maker_fee: Any) -> Configuration:
    """Return a configuration whose venue takes another fee of makers."""
    symbols = tuple(
        msgspec.structs.replace(
            each,
            instrument=msgspec.structs.replace(each.instrument, maker_fee=maker_fee, taker_fee=maker_fee),
        )
        for each in configuration.venue.symbols
    )
    return with_venue(configuration, symbols=symbols)


def with_portfolio(configuration: Configuration, **settings: Any) -> Configuration:
    """Return a configuration with other limits over all symbols."""
    portfolio = msgspec.structs.replace(configuration.portfolio, **settings)
    return msgspec.structs.replace(configuration, portfolio=portfolio)
