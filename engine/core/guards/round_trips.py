"""Round trips that ended, judged: losing ones in a row open the circuit breaker, a clean one closes it when half-open."""

from engine.core.guards.circuit_breaker import close, trip
from engine.core.step import Draft
from schemas.grid.state import BreakerState


def look(draft: Draft) -> bool:
    """Judge the round trips of a step in the making, and tell whether the breaker moved."""
    breaker, limit = draft.state.breaker, draft.state.settings.max_losing_round_trips
    moved = False
    for profit in draft.round_trips:
        breaker.losses = breaker.losses + 1 if profit < 0 else 0
        if breaker.state is BreakerState.HALF_OPEN:
            moved |= (
                trip(draft, f"a round trip lost {-profit} again")
                if profit < 0
                else close(draft, "a clean round trip")
            )
        elif 0 < limit <= breaker.losses:
            moved |= trip(draft, f"{breaker.losses} losing round trips in a row")
    return moved
