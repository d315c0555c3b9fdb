"""The fall of the total profit from its peak, which opens the circuit breaker. The peak is that of the window's steps."""

from engine.core.guards.circuit_breaker import full_window, trip
from engine.core.orders.profit import total
from engine.core.step import Draft
from schemas.grid.state import GridState, Peak
from schemas.units import Price

PEAKS_KEPT = 24
"""Into so many parts the window is cut; each keeps its highest step."""


def look(draft: Draft) -> bool:
    """Judge the price of a step in the making, and tell whether the breaker opened."""
    state, settings = draft.state, draft.state.settings
    oldest = draft.time - settings.drawdown_window
    peaks = [peak.profit for peak in state.breaker.peaks if peak.time > oldest]
    if not peaks or draft.price is None or not is_watched(state):
        return False
    drawdown = max(peaks) - total(state, draft.price)
    limits = [settings.max_drawdown, settings.max_drawdown_ratio * full_window(state)]
    limit = min(limit for limit in limits if limit > 0)
    return drawdown >= limit and trip(draft, f"drawdown of {drawdown} from the peak, the limit is {limit}")


def remember_peak(state: GridState, price: Price) -> None:
    """Note the profit of a step, where a drawdown is watched."""
    settings, peaks = state.settings, state.breaker.peaks
    if not is_watched(state):
        return
    now = total(state, price)
    oldest = state.time - settings.drawdown_window
    part = max(settings.drawdown_window // PEAKS_KEPT, 1)
    kept = [peak for peak in peaks if peak.time > oldest and peak.profit > now]
    if not kept or kept[-1].time // part != state.time // part:
        kept.append(Peak(time=state.time, profit=now))
    state.breaker.peaks = kept


def is_watched(state: GridState) -> bool:
    """Tell whether any tick may open the breaker."""
    return state.settings.max_drawdown > 0 or state.settings.max_drawdown_ratio > 0
