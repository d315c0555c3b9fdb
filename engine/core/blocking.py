"""The guards together: who of them stands against opening orders, and what makes them look again."""

from engine.core.guards import (
    circuit_breaker,
    drawdown,
    latency,
    portfolio_limits,
    round_trips,
    stale_feed,
)
from engine.core.orders.rejections import release_margin
from engine.core.startup import startup
from engine.core.step import Draft
from schemas.engine.journal import TimePassed
from schemas.grid.state import BreakerState, GridState
from schemas.grid.view import NotQuoting
from schemas.units import TimeNs


def stopped_by(state: GridState) -> NotQuoting | None:
    """Return the guard because of which no opening order may stand, None when they may."""
    standing = next((reason for reason, stands in _standing(state) if stands), None)
    return halted_by(state) or startup.stopped_by(state) or standing or portfolio_limits.stopped_by(state)


def halted_by(state: GridState) -> NotQuoting | None:
    """Return why no order at all may stand but what closes the position, None when the grid was not told to stop."""
    if state.removed:
        return NotQuoting.REMOVED
    if state.exiting:
        return NotQuoting.EXITING
    if state.halt is None:
        return None
    return NotQuoting.FLATTENING if state.halt.flattens else NotQuoting.STOPPED


def detail_of(state: GridState, reason: NotQuoting | None) -> str:
    """Return what the guard that stands against opening orders says of it, nothing where it says no more."""
    match reason:
        case NotQuoting.STOPPED | NotQuoting.FLATTENING | NotQuoting.REMOVED:
            return "" if state.halt is None else state.halt.reason
        case NotQuoting.BREAKER_OPEN | NotQuoting.BREAKER_HALF_OPEN:
            return state.breaker.reason
        case NotQuoting.MARKET_RISK:
            return ", ".join(sorted(symbol for symbol, each in state.watched.items() if each.is_abnormal))
        case NotQuoting.PREFLIGHT | NotQuoting.AWAITING_TRIGGER:
            return startup.detail(state)
        case _:
            return ""


def look(draft: Draft, silence: TimePassed | None) -> bool:
    """Let every guard look at the time and the price, and tell whether one stepped in or back."""
    changed = stale_feed.on_tick(draft)
    changed |= stale_feed.on_silence(draft, silence)
    changed |= round_trips.look(draft)
    changed |= drawdown.look(draft)
    changed |= latency.look(draft)
    changed |= stale_feed.judge(draft)
    changed |= circuit_breaker.look(draft)
    return changed | release_margin(draft)


def is_waiting_for_a_tick(state: GridState) -> bool:
    """Tell whether any tick may change what a guard says, however little the price moved."""
    return bool(state.feed_lost_time) or drawdown.is_watched(state) or latency.is_link_watched(state)


def ends(state: GridState) -> list[TimeNs]:
    """Return when guards that are active step back by themselves."""
    found = [state.margin_locked_until] if state.margin_locked_until else []
    if state.breaker.state is BreakerState.OPEN:
        found.append(circuit_breaker.ends_at(state))
    return found


def _standing(state: GridState) -> tuple[tuple[NotQuoting, bool], ...]:
    return (
        (NotQuoting.PAUSED, state.paused),
        (NotQuoting.FEED_LOST, bool(state.feed_lost_time)),
        (NotQuoting.BREAKER_OPEN, state.breaker.state is BreakerState.OPEN),
        (NotQuoting.MARKET_RISK, state.is_market_risky),
        (NotQuoting.MARGIN_LOCKED, bool(state.margin_locked_until)),
    )
