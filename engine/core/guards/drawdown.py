"""Drawdown guard: a fall of the total profit from its peak trips the circuit breaker.

The peak is the highest total profit after a step within the last `drawdown_window`.
"""

from engine.core.arithmetic import total_profit
from engine.core.decisions import figures
from engine.core.guards.circuit_breaker import full_window, trip
from engine.core.step import Draft
from schemas.grid.guard_state import Peak
from schemas.grid.state import (
    GridState,
)
from schemas.units import Price

MAX_PEAKS = 24
"""Number of equal parts of the window; of each at most one peak is kept, the highest."""


def evaluate(draft: Draft) -> None:
    """Trip the breaker when the total profit at the draft's price is too far below the peak."""
    state, settings = draft.state, draft.state.settings
    oldest = draft.time - settings.drawdown_window
    peaks = [peak.profit for peak in state.breaker.peaks if peak.time > oldest]
    if not peaks or draft.stop_price is None or not is_watched(state):
        return
    drawdown = max(peaks) - total_profit(state.accounts, draft.stop_price)
    limits = [settings.max_drawdown, settings.max_drawdown_ratio * full_window(state)]
    limit = min(limit for limit in limits if limit > 0)
    if drawdown >= limit:
        found = figures(drawdown=drawdown, limit=limit, peak_profit=max(peaks))
        trip(draft, f"drawdown of {drawdown} from the peak, the limit is {limit}", found)


def remember_peak(state: GridState, price: Price) -> None:
    """Record the total profit after a step as a possible peak, if drawdown is limited."""
    settings, peaks = state.settings, state.breaker.peaks
    if not is_watched(state):
        return
    now = total_profit(state.accounts, price)
    oldest = state.time - settings.drawdown_window
    part_ns = max(settings.drawdown_window // MAX_PEAKS, 1)
    kept = [peak for peak in peaks if peak.time > oldest and peak.profit > now]
    if not kept or kept[-1].time // part_ns != state.time // part_ns:
        kept.append(Peak(time=state.time, profit=now))
    state.breaker.peaks = kept


def is_watched(state: GridState) -> bool:
    """Return whether drawdown is limited, so that any tick may trip the breaker."""
    return state.settings.max_drawdown > 0 or state.settings.max_drawdown_ratio > 0
