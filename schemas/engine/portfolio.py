"""The portfolio of a venue: limits over all its symbols, and their current effect."""

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
    """Limits over all symbols of a venue. 0 is off."""

    max_exposure: Money = ZERO
    """Total quote notional of all positions, long plus short, at which nothing more is opened."""
    resume_below: Ratio = Decimal("0.95")
    """The share of `max_exposure` below which opening resumes."""
    max_losing_round_trips: int = 0
    """Number of consecutive losing round trips, over all symbols, that opens the global circuit breaker."""
    max_drawdown: Money = ZERO
    """Fall of the summed total profit from its peak that opens it."""
    max_drawdown_ratio: Ratio = ZERO
    """The same as a share of `max_exposure`."""
    drawdown_window: DurationNs = 24 * 3600 * SECOND_NS
    """Period in which the peak is searched."""
    max_stale_symbols: int = 0
    """Number of symbols without a feed at the same time that opens it."""
    max_tripped_symbols: int = 0
    """Number of symbols with an open circuit breaker at the same time that opens it."""
    max_order_latency: DurationNs = 0
    """99th percentile of the venue's order latency that opens it."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long it stays open before it becomes half-open."""


class PortfolioEntry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The limits of a venue, in the bucket `portfolios`."""

    venue: VenueId
    settings: PortfolioSettings
    instance: str = ""
    """The installation's part of the order ids of symbols added later."""


class SymbolExposure(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one symbol in the exposure."""

    symbol: Symbol
    position: SignedQuantity
    price: Price
    notional: Money


class PortfolioLimits(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The current limits on all symbols of a venue: `journal.V._all.limits`. Only the newest counts."""

    venue: VenueId
    is_opening_allowed: bool
    """False while the exposure is at its limit."""
    breaker: BreakerState
    """The global circuit breaker."""
    reason: str
    """Why a limit is in effect; empty when none is."""
    max_exposure: Money
    """0 is off."""
    exposure: Money
    symbols: tuple[SymbolExposure, ...]
    """The exposure by symbol, at the time of publication."""
    step: int
    time: TimeNs


class OrderLatency(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue's latency for the newest orders: `account.V._all.latency`. Only the newest counts."""

    venue: VenueId
    p50: DurationNs
    p99: DurationNs
    count: int
    """Number of measured orders."""
    time: TimeNs
