"""The guards together: who of them stands against opening orders, and what makes them look again."""

from engine.core import breaker, feed, limits
from engine.core.refusals import release_margin
from engine.core.step import Draft
from schemas.grid import BreakerState, GridState
from schemas.grid_view import NotQuoting
from schemas.journal import TimePassed
from schemas.units import TimeNs


def stopped_by(state: GridState) -> NotQuoting | None:
    """Return the guard because of which no opening order may stand, None when they may."""
    if state.paused:
        return NotQuoting.PAUSED
    if state.feed_lost_time:
        return NotQuoting.FEED_LOST
    if state.breaker.state is BreakerState.OPEN:
        return NotQuoting.BREAKER_OPEN
    if state.is_market_risky:
        return NotQuoting.MARKET_RISK
    if state.margin_locked_until:
        return NotQuoting.MARGIN_LOCKED
    return limits.stopped_by(state)


def look(draft: Draft, silence: TimePassed | None) -> bool:
    """Let every guard look at the time and the price, and tell whether one stepped in or back."""
    changed = feed.on_tick(draft)
    changed |= feed.on_silence(draft, silence)
    changed |= breaker.look(draft)
    return changed | release_margin(draft)


def is_waiting_for_a_tick(state: GridState) -> bool:
    """Tell whether any tick may change what a guard says, however little the price moved."""
    return bool(state.feed_lost_time) or breaker.watches_drawdown(state)


def ends(state: GridState) -> list[TimeNs]:
    """Return when guards that are active step back by themselves."""
    found = [state.margin_locked_until] if state.margin_locked_until else []
    if state.breaker.state is BreakerState.OPEN:
        found.append(breaker.ends_at(state))
    return found
