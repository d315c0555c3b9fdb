"""Drawdown guard: a fall of the total profit from its peak trips the circuit breaker.

The peak is the highest total profit after a step within the last `drawdown_window`. It survives a trip: only an operator who
resets the breaker accepts the loss.
"""

from typing import NamedTuple

from engine.core.arithmetic import total_profit
from engine.core.decisions import figures
from engine.core.guards.circuit_breaker import evaluate_cool_down, full_window, trip
from engine.core.step import Draft
from schemas.grid.guard_state import Peak
from schemas.grid.settings import OnDrawdown
from schemas.grid.state import (
    GridState,
)
from schemas.units import Figures, Money, Price, TimeNs

MAX_PEAKS = 24
"""Number of equal parts of the window; of each at most one peak is kept, the highest."""


class Excess(NamedTuple):
    """A drawdown at its limit."""

    drawdown: Money
    limit: Money
    peak: Money


def evaluate(draft: Draft) -> None:
    """Trip the breaker when the total profit at the draft's price is too far below the peak, as `on_drawdown` says.

    The breaker turns half-open when its cool-down is over, but not while the drawdown is at its limit.
    """
    found = None if draft.stop_price is None else excess(draft.state, draft.stop_price, draft.time)
    if found is None:
        evaluate_cool_down(draft)
    elif draft.state.settings.on_drawdown is OnDrawdown.PAUSE:
        trip(draft, text(found), figures_of(found))


def excess(state: GridState, price: Price, now: TimeNs) -> Excess | None:
    """Return the drawdown at a price if it is at its limit, None otherwise."""
    settings = state.settings
    peaks = [peak.profit for peak in state.breaker.peaks if peak.time > now - settings.drawdown_window]
    if not peaks or not is_watched(state):
        return None
    drawdown = max(peaks) - total_profit(state.accounts, price)
    limits = [settings.max_drawdown, settings.max_drawdown_ratio * full_window(state)]
    limit = min(limit for limit in limits if limit > 0)
    return Excess(drawdown, limit, max(peaks)) if drawdown >= limit else None


def text(found: Excess) -> str:
    """Return a drawdown as a sentence for operators."""
    return f"drawdown of {found.drawdown:f} from the peak, the limit is {found.limit:f}"


def figures_of(found: Excess) -> Figures:
    """Return the figures of a drawdown."""
    return figures(drawdown=found.drawdown, limit=found.limit, peak_profit=found.peak)


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
