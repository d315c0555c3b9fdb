"""The portfolio of all venues: limits over all symbols, in a bucket for each quote currency, and their current effect."""

from decimal import Decimal

import msgspec

from schemas.grid.guard_state import BreakerState
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

DAY_NS = 24 * 3600 * SECOND_NS


class CurrencyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits over all symbols with one quote currency, on all venues. 0 is off."""

    max_exposure: Money = ZERO
    """Total quote notional of all positions, long plus short, at which nothing more is opened."""
    resume_below: Ratio = Decimal("0.95")
    """The share of `max_exposure` below which opening resumes."""
    max_losing_round_trips: int = 0
    """Number of consecutive losing round trips that opens the circuit breaker of the currency."""
    max_drawdown: Money = ZERO
    """Fall of the summed total profit from its peak that opens it."""
    max_drawdown_ratio: Ratio = ZERO
    """The same as a share of `max_exposure`."""
    drawdown_window: DurationNs = DAY_NS
    """Period in which the peak is searched."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long it stays open before it becomes half-open."""


class PortfolioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits over all symbols. 0 is off.

    The fields of `CurrencyLimits` are repeated here: they are the limits of each currency that `currencies` does not name.
    """

    max_exposure: Money = ZERO
    resume_below: Ratio = Decimal("0.95")
    max_losing_round_trips: int = 0
    max_drawdown: Money = ZERO
    max_drawdown_ratio: Ratio = ZERO
    drawdown_window: DurationNs = DAY_NS
    max_stale_symbols: int = 0
    """Number of symbols of all venues without a feed at the same time that opens the global circuit breaker."""
    max_tripped_symbols: int = 0
    """Number of symbols of all venues with an open circuit breaker at the same time that opens it."""
    max_order_latency: DurationNs = 0
    """99th percentile of the order latency of any venue that opens it."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long it stays open before it becomes half-open."""
    currencies: dict[str, CurrencyLimits] = {}
    """By quote currency."""

    def of(self, currency: str) -> CurrencyLimits:
        """Return the limits of a quote currency."""
        named = self.currencies.get(currency)
        if named is not None:
            return named
        return CurrencyLimits(**{name: getattr(self, name) for name in CurrencyLimits.__struct_fields__})


class PortfolioEntry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The limits of the portfolio, in the bucket `portfolios` under the key `_all`; in version 0.1 one for each venue."""

    venue: VenueId
    """`_all`"""
    settings: PortfolioSettings
    instance: str = ""
    """The installation's part of the order ids of symbols added later."""


class SymbolExposure(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one symbol in the exposure to its quote currency."""

    symbol: Symbol
    position: SignedQuantity
    price: Price
    notional: Money
    venue: VenueId = VenueId("")
    """Empty in version 0.1: that of the message."""


class BucketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The current limits on the symbols with one quote currency, on all venues."""

    is_opening_allowed: bool = True
    """False while the exposure is at its limit."""
    breaker: BreakerState = BreakerState.CLOSED
    """The worse of the currency's circuit breaker and the global one."""
    reason: str = ""
    """Why a limit is in effect; empty when none is."""
    max_exposure: Money = ZERO
    """0 is off."""
    exposure: Money = ZERO


class PortfolioLimits(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The current limits on all symbols of all venues: `journal._all._all.limits`. Only the newest counts.

    Version 0.1 had no `buckets` and published the limits of one venue on `journal.V._all.limits`.
    """

    venue: VenueId
    """`_all`"""
    is_opening_allowed: bool
    """Whether no currency is at its limit."""
    breaker: BreakerState
    """The global circuit breaker, which counts for every currency."""
    reason: str
    """Why it is not closed; in version 0.1 why any limit is in effect."""
    max_exposure: Money
    """That of the bucket if there is only one, else 0."""
    exposure: Money
    """The same."""
    symbols: tuple[SymbolExposure, ...]
    """The exposure by symbol, at the time of publication."""
    step: int
    time: TimeNs
    buckets: dict[str, BucketLimits] = {}
    """By quote currency: the limits that the symbols obey."""

    def bucket(self, currency: str) -> BucketLimits:
        """Return the limits on the symbols with a quote currency; those of the message itself in version 0.1."""
        if found := self.buckets.get(currency):
            return found
        is_new = bool(self.buckets)  # the currency's first symbol is not counted yet
        return BucketLimits(
            is_opening_allowed=is_new or self.is_opening_allowed,
            breaker=self.breaker,
            reason=self.reason,
            max_exposure=ZERO if is_new else self.max_exposure,
            exposure=ZERO if is_new else self.exposure,
        )


class OrderLatency(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue's latency for the newest orders: `account.V._all.latency`. Only the newest counts."""

    venue: VenueId
    p50: DurationNs
    p99: DurationNs
    count: int
    """Number of measured orders."""
    time: TimeNs
