"""The circuit breaker of one grid: closed it lets through, open it stops what opens, half-open it tries one level a side.

It opens on losing round trips in a row (`round_trips`), on a drawdown from the peak of the total profit (`drawdown`), on
orders or ticks that take too long (`latency`), on a feed that is lost for too long (`feed`), on a position that differs
from the venue's (`positions`), and by hand. Open lasts for the cool-down, restarts included; then a clean round trip
closes it, and a losing one opens it again.
"""

from typing import NamedTuple

from engine.core.step import Draft
from schemas.engine.events import Severity
from schemas.grid.settings import GridMode
from schemas.grid.state import BreakerState, GridState
from schemas.units import Money, Side

CIRCUIT_BREAKER = "circuit_breaker"


class Windows(NamedTuple):
    """How many levels may have opening orders, on each side of the center."""

    buy: int
    sell: int


def look(draft: Draft) -> bool:
    """Let an open breaker become half-open after its cool-down, and tell whether it did."""
    breaker = draft.state.breaker
    if breaker.state is not BreakerState.OPEN or draft.time < ends_at(draft.state):
        return False
    breaker.state = BreakerState.HALF_OPEN
    draft.risk(Severity.MEDIUM, CIRCUIT_BREAKER, "half-open: one level a side is tried", active=True)
    return True


def trip(draft: Draft, details: str) -> bool:
    """Open the breaker, and tell whether it was not open before."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.OPEN:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.OPEN, draft.time, details
    _forget(draft.state)
    draft.risk(Severity.CRITICAL, CIRCUIT_BREAKER, f"open: {details}", active=True)
    return True


def close(draft: Draft, details: str) -> bool:
    """Close the breaker, and tell whether it was not closed before."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.CLOSED:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.CLOSED, 0, ""
    _forget(draft.state)
    draft.risk(Severity.LOW, CIRCUIT_BREAKER, f"closed: {details}", active=False)
    return True


def ends_at(state: GridState) -> int:
    """Return when an open breaker becomes half-open."""
    return state.breaker.opened_time + state.settings.breaker_cool_down


def windows(state: GridState) -> Windows:
    """Return the windows of a grid, which a half-open breaker narrows to one level that is not filled yet."""
    settings = state.settings
    sell = settings.sell_window if settings.mode is GridMode.NEUTRAL else 0
    if not _is_half_open(state):
        return Windows(settings.buy_window, sell)
    held = [state.slots[level].held for level in state.breaker.tried if level in state.slots]
    filled = {Side.BUY if each > 0 else Side.SELL for each in held if each}
    return Windows(int(Side.BUY not in filled), min(sell, int(Side.SELL not in filled)))


def full_window(state: GridState) -> Money:
    """Return what the larger window is worth when all of it is filled, in quote."""
    settings = state.settings
    sells = settings.sell_window if settings.mode is GridMode.NEUTRAL else 0
    return settings.order_amount * max(settings.buy_window, sells)


def note_opening(state: GridState, level: int) -> None:
    """Remember the level of an opening trade that a half-open breaker let through."""
    tried = state.breaker.tried
    if _is_half_open(state) and level not in tried:
        tried.append(level)


def _is_half_open(state: GridState) -> bool:
    return BreakerState.HALF_OPEN in {state.breaker.state, state.global_breaker}


def _forget(state: GridState) -> None:
    state.breaker.losses = 0
    state.breaker.peaks = []
    state.breaker.tried = []
    state.breaker.latencies = []
    state.breaker.slow_since = 0
