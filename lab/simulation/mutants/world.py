"""The world in which mutants are looked for: one symbol in a market that moves fast, so that few seconds suffice."""

from decimal import Decimal

import msgspec

from cli.config.file import Configuration
from lab.chaos.runner import with_volatile_market
from lab.simulation.configuration import default_configuration
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs

TICK_INTERVAL_NS: DurationNs = 1_000 * MILLISECOND_NS
VOLATILITY_FACTOR = 8.0
MAX_DRAWDOWN = Decimal("0.5")
"""In USDT: so small that the circuit breaker opens often."""
COOL_DOWN_NS: DurationNs = 10 * SECOND_NS


def mutant_configuration(seed: int) -> Configuration:
    """Return the configuration for a seed, which also determines the market."""
    found = with_volatile_market(default_configuration(seed), VOLATILITY_FACTOR)
    (venue,) = found.venues
    entry = found.symbols[0]
    settings = msgspec.structs.replace(
        entry.settings, max_drawdown=MAX_DRAWDOWN, breaker_cool_down=COOL_DOWN_NS
    )
    listed = tuple(each for each in venue.symbols if each.instrument.symbol == entry.symbol)
    return msgspec.structs.replace(
        found,
        venues=(msgspec.structs.replace(venue, symbols=listed, tick_interval=TICK_INTERVAL_NS),),
        symbols=(msgspec.structs.replace(entry, settings=settings),),
    )
