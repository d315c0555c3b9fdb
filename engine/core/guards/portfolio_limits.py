"""What all symbols together let this grid do: the global circuit breaker, and the limit on what they hold.

Limits are a level: the newest counts, and only what it changes for this grid is a cause of a step.
"""

from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.state import BreakerState, GridState
from schemas.grid.view import NotQuoting

GLOBAL_BREAKER = "global_breaker"
EXPOSURE_LIMIT = "exposure_limit"


def on_limits(draft: Draft, limits: PortfolioLimits) -> bool:
    """Take over what the portfolio lets every symbol do, and tell whether that is news."""
    changed = _follow_breaker(draft, limits)
    return _follow_exposure(draft, limits) or changed


def stopped_by(state: GridState) -> NotQuoting | None:
    """Return which of the two stands against opening orders, None when they may stand."""
    if state.global_breaker is BreakerState.OPEN:
        return NotQuoting.GLOBAL_BREAKER
    return NotQuoting.EXPOSURE_LIMIT if state.is_exposure_limited else None


def _follow_breaker(draft: Draft, limits: PortfolioLimits) -> bool:
    state = draft.state
    if limits.breaker is state.global_breaker:
        return False
    state.global_breaker = limits.breaker
    state.breaker.tried = []
    if limits.breaker is BreakerState.OPEN:
        draft.risk(Severity.CRITICAL, GLOBAL_BREAKER, f"open: {limits.reason}", active=True)
    elif limits.breaker is BreakerState.HALF_OPEN:
        draft.risk(Severity.MEDIUM, GLOBAL_BREAKER, "half-open: one level a side is tried", active=True)
    else:
        draft.risk(Severity.LOW, GLOBAL_BREAKER, "closed", active=False)
    return True


def _follow_exposure(draft: Draft, limits: PortfolioLimits) -> bool:
    state = draft.state
    if state.is_exposure_limited is not limits.is_opening_allowed:
        return False
    state.is_exposure_limited = not limits.is_opening_allowed
    if state.is_exposure_limited:
        draft.risk(Severity.HIGH, EXPOSURE_LIMIT, limits.reason, active=True)
    else:
        draft.risk(Severity.LOW, EXPOSURE_LIMIT, "opening orders are placed again", active=False)
    return True
