"""The circuit breaker of one grid: closed, open (no opening orders), or half-open (one trial level a side).

It opens on consecutive losing round trips, on a drawdown of the total profit (`drawdown`), on slow orders or ticks
(`latency`), on a feed lost for too long (`stale_feed`), on a position that differs from the venue's (`position_check`),
and by an operator. It stays open for the cool-down, across restarts. While it is half-open, a round trip without a loss
closes it and a losing one opens it again.
"""

from typing import NamedTuple

from engine.core.decisions import figures, seconds
from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.guard_state import BreakerState
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import (
    GridState,
)
from schemas.units import Figures, Money, Side, TimeNs

CIRCUIT_BREAKER = "circuit_breaker"


class Windows(NamedTuple):
    """Maximum number of levels with opening orders on each side of the center."""

    buy: int
    sell: int


def evaluate_round_trips(draft: Draft) -> None:
    """Count the round trips of this step: trip on consecutive losing ones, also over several steps.

    While half-open, a losing one opens the breaker again, and any other closes it.
    """
    breaker, limit = draft.state.breaker, draft.state.settings.max_losing_round_trips
    for profit in draft.round_trips:
        breaker.losses = breaker.losses + 1 if profit < 0 else 0
        if breaker.state is BreakerState.HALF_OPEN:
            if profit < 0:
                trip(draft, f"a round trip lost {-profit} while half-open", figures(loss=-profit))
            else:
                close(draft, "a clean round trip", figures(profit=profit))
        elif 0 < limit <= breaker.losses:
            found = figures(losing_round_trips=breaker.losses, limit=limit)
            trip(draft, f"{breaker.losses} losing round trips in a row", found)


def evaluate_cool_down(draft: Draft) -> None:
    """Turn an open breaker half-open when its cool-down is over."""
    breaker = draft.state.breaker
    if breaker.state is not BreakerState.OPEN or draft.time < half_open_time(draft.state):
        return
    breaker.state = BreakerState.HALF_OPEN
    draft.risk(
        Severity.MEDIUM,
        CIRCUIT_BREAKER,
        "half-open: one trial level a side",
        figures(cool_down_s=seconds(draft.state.settings.breaker_cool_down)),
        active=True,
    )


def trip(draft: Draft, details: str, because: Figures | None = None, *, by: str = "") -> bool:
    """Open the breaker; return whether it was not open before.

    `by` is the operator with the reason given, `alice: maintenance`; empty for a guard.
    """
    breaker = draft.state.breaker
    if breaker.state is BreakerState.OPEN:
        return False
    breaker.state, breaker.opened_time, breaker.opened_by = BreakerState.OPEN, draft.time, by
    breaker.reason = f"opened by {by}" if by else details
    _reset(draft.state)
    text = breaker.reason if by else f"open: {details}"
    draft.risk(Severity.CRITICAL, CIRCUIT_BREAKER, text, because, active=True)
    return True


def close(draft: Draft, details: str, because: Figures | None = None, *, by: str = "") -> bool:
    """Close the breaker; return whether it was not closed before. `by` is as in `trip`."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.CLOSED:
        return False
    breaker.state, breaker.opened_time, breaker.reason, breaker.opened_by = BreakerState.CLOSED, 0, "", ""
    _reset(draft.state)
    text = f"closed by {by}" if by else f"closed: {details}"
    draft.risk(Severity.LOW, CIRCUIT_BREAKER, text, because, active=False)
    return True


def half_open_time(state: GridState) -> TimeNs:
    """Return the time at which an open breaker turns half-open."""
    return state.breaker.opened_time + state.settings.breaker_cool_down


def windows(state: GridState) -> Windows:
    """Return the windows of a grid. Half-open, a side has one level until a trial level of it is filled, then none."""
    settings = state.settings
    sell = settings.sell_window if settings.mode is GridMode.NEUTRAL else 0
    if not is_half_open(state):
        return Windows(settings.buy_window, sell)
    held = [state.slots[level].held for level in state.breaker.tried if level in state.slots]
    filled = {Side.BUY if each > 0 else Side.SELL for each in held if each}
    return Windows(int(Side.BUY not in filled), min(sell, int(Side.SELL not in filled)))


def full_window(state: GridState) -> Money:
    """Return the value of the larger window with every level filled, in quote."""
    return state.settings.order_amount * max(side_window(state.settings, side) for side in Side)


def side_window(settings: GridSettings, side: Side) -> int:
    """Return the number of levels with an opening order on a side."""
    if side is Side.BUY:
        return settings.buy_window
    return settings.sell_window if settings.mode is GridMode.NEUTRAL else 0


def note_opening(state: GridState, level: int) -> None:
    """Record the level of an opening trade as a trial while half-open."""
    tried = state.breaker.tried
    if is_half_open(state) and level not in tried:
        tried.append(level)


def is_half_open(state: GridState) -> bool:
    """Return whether the breaker of the grid, or the one over all symbols, is half-open."""
    return BreakerState.HALF_OPEN in {state.breaker.state, state.global_breaker}


def _reset(state: GridState) -> None:
    state.breaker.losses = 0
    state.breaker.peaks = []
    state.breaker.tried = []
    state.breaker.latencies = []
    state.breaker.slow_since = 0
