"""Changes to the default configuration, for the scenarios."""

from decimal import Decimal
from typing import Any

import msgspec

from cli.config.file import Configuration
from schemas.units import SECOND_NS


def unchanged(configuration: Configuration) -> Configuration:
    """Return the configuration as it is."""
    return configuration


def with_grids(configuration: Configuration, **settings: Any) -> Configuration:
    """Return the configuration with these settings changed in all grids."""
    entries = tuple(
        msgspec.structs.replace(entry, settings=msgspec.structs.replace(entry.settings, **settings))
        for entry in configuration.symbols
    )
    return msgspec.structs.replace(configuration, symbols=entries)


def with_venue(configuration: Configuration, **settings: Any) -> Configuration:
    """Return the configuration with these settings of the simulated venue changed."""
    return msgspec.structs.replace(
        configuration, venues=(msgspec.structs.replace(configuration.venue, **settings),)
    )


def with_slow_ticks(configuration: Configuration) -> Configuration:
    """Return the configuration with one tick a second, for scenarios that wait for minutes."""
    return with_venue(configuration, tick_interval=SECOND_NS)


def with_fees(configuration: Configuration, fee: Decimal) -> Configuration:
    """Return the configuration with this maker and taker fee for all symbols."""
    symbols = tuple(
        msgspec.structs.replace(
            symbol, instrument=msgspec.structs.replace(symbol.instrument, maker_fee=fee, taker_fee=fee)
        )
        for symbol in configuration.venue.symbols
    )
    return with_venue(configuration, symbols=symbols)


def with_portfolio(configuration: Configuration, **settings: Any) -> Configuration:
    """Return the configuration with these portfolio limits changed, for every quote currency."""
    portfolio = msgspec.structs.replace(configuration.portfolio, **settings, currencies={})
    return msgspec.structs.replace(configuration, portfolio=portfolio)
