"""Limits set by the portfolio of all symbols: the circuit breaker over all symbols and the exposure limit.

A symbol obeys the bucket of its quote currency. `PortfolioLimits` is a state update: only the newest counts, and only a
change for this grid is a cause of a step.
"""

from engine.core.decisions import figures
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.portfolio import BucketLimits, PortfolioLimits
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import (
    GridState,
)
from schemas.grid.view import NotQuoting

GLOBAL_BREAKER = "global_breaker"
EXPOSURE_LIMIT = "exposure_limit"


def on_limits(draft: Draft, limits: PortfolioLimits) -> None:
    """Adopt the limits that apply to the symbols with the same quote currency."""
    bucket = limits.bucket(draft.state.instrument.quote)
    _follow_breaker(draft, bucket)
    _follow_exposure(draft, bucket)


def blocked_by(state: GridState) -> NotQuoting | None:
    """Return which of breaker and exposure limit forbids opening orders, None when neither does."""
    if state.global_breaker is BreakerState.OPEN:
        return NotQuoting.GLOBAL_BREAKER
    return NotQuoting.EXPOSURE_LIMIT if state.is_exposure_limited else None


def _follow_breaker(draft: Draft, limits: BucketLimits) -> None:
    state = draft.state
    if limits.breaker is state.global_breaker:
        return
    state.global_breaker = limits.breaker
    state.breaker.tried = []
    if limits.breaker is BreakerState.OPEN:
        draft.risk(Severity.CRITICAL, GLOBAL_BREAKER, f"open: {limits.reason}", active=True)
    elif limits.breaker is BreakerState.HALF_OPEN:
        draft.risk(Severity.MEDIUM, GLOBAL_BREAKER, "half-open: one trial level a side", active=True)
    else:
        draft.risk(Severity.LOW, GLOBAL_BREAKER, "closed", active=False)


def _follow_exposure(draft: Draft, limits: BucketLimits) -> None:
    state = draft.state
    if state.is_exposure_limited is not limits.is_opening_allowed:
        return
    state.is_exposure_limited = not limits.is_opening_allowed
    found = figures(exposure=limits.exposure, limit=limits.max_exposure)
    if state.is_exposure_limited:
        draft.risk(Severity.HIGH, EXPOSURE_LIMIT, limits.reason, found, active=True)
    else:
        draft.risk(Severity.LOW, EXPOSURE_LIMIT, "opening orders are allowed again", found, active=False)
