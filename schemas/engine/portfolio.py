"""All symbols of a venue together: the limits that are set, and what they let every symbol do."""

from decimal import Decimal

import msgspec

from schemas.grid.state import BreakerState
from schemas.units import (
    SECOND_NS,
    ZERO,
    DurationNs,
    Money,
    Price,
    Ratio,
    SignedQuantity,
    Symbol,
    TimeNs,
    VenueId,
)


class PortfolioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits over all symbols of a venue. 0 is no limit."""

    max_exposure: Money = ZERO
    """Quote notional of all positions, long and short added up, at which nothing more is opened."""
    resume_below: Ratio = Decimal("0.95")
    """The share of `max_exposure` below which opening goes on."""
    max_losing_round_trips: int = 0
    """So many losing round trips in a row, over all symbols, open the global circuit breaker."""
    max_drawdown: Money = ZERO
    """A fall of the summed total profit from its peak that opens it."""
    max_drawdown_ratio: Ratio = ZERO
    """The same as a share of `max_exposure`."""
    drawdown_window: DurationNs = 24 * 3600 * SECOND_NS
    """How far back the peak is looked for."""
    max_stale_symbols: int = 0
    """So many symbols without a feed at the same time open it."""
    max_tripped_symbols: int = 0
    """So many symbols whose own circuit breaker is open at the same time open it."""
    max_order_latency: DurationNs = 0
    """The 99th percentile of the venue's answers to orders that opens it."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long it stays open before it is half-open."""


class PortfolioEntry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A venue's limits, in the `portfolios` registry."""

    venue: VenueId
    settings: PortfolioSettings
    instance: str = ""
    """Names the installation in the order ids of symbols that are added later."""


class SymbolExposure(msgspec.Struct, frozen=True, kw_only=True):
    """What one symbol adds to the exposure."""

    symbol: Symbol
    position: SignedQuantity
    price: Price
    notional: Money


class PortfolioLimits(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What every symbol of a venue may do now: a level."""

    venue: VenueId
    is_opening_allowed: bool
    """False while the exposure is at its limit."""
    breaker: BreakerState
    """The global circuit breaker."""
    reason: str
    """Why something is not allowed; empty when all is."""
    max_exposure: Money
    """0 is no limit."""
    exposure: Money
    symbols: tuple[SymbolExposure, ...]
    """What makes the exposure, at the moment this was published."""
    step: int
    time: TimeNs


class OrderLatency(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How long the venue took to answer the newest orders: a level."""

    venue: VenueId
    p50: DurationNs
    p99: DurationNs
    count: int
    """Orders that were measured."""
    time: TimeNs
