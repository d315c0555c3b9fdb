"""The configuration that is simulated by default: the example with coarser ticks and an exposure limit."""

from decimal import Decimal

import msgspec

from cli.config.file import DEFAULT_FILE, Configuration, load
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import MILLISECOND_NS, DurationNs

TICK_INTERVAL_NS: DurationNs = 2_500 * MILLISECOND_NS
"""Ten times that of the example: simulated hours cost a tenth, and the price moves as far within an hour."""
MAX_EXPOSURE = Decimal(900)
"""In USDT: less than all windows together, so that the limit binds."""


def default_configuration(seed: int) -> Configuration:
    """Return the configuration for a seed, which also determines the market."""
    configuration = load(DEFAULT_FILE, {})
    venue = msgspec.structs.replace(configuration.venue, tick_interval=TICK_INTERVAL_NS, seed=seed)
    return msgspec.structs.replace(
        configuration, venues=(venue,), portfolio=PortfolioSettings(max_exposure=MAX_EXPOSURE)
    )
