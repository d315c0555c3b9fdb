"""All guards combined: evaluate them, and return the reason that blocks opening orders."""

from engine.core import instrument
from engine.core.guards import circuit_breaker, drawdown, latency, margin_lock, portfolio_limits, stale_feed
from engine.core.startup import startup
from engine.core.step import Draft
from schemas.engine.journal import TimePassed
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import (
    GridState,
)
from schemas.grid.view import NotQuoting
from schemas.units import TimeNs


def blocked_by(state: GridState) -> NotQuoting | None:
    """Return the first reason that forbids opening orders, None when they are allowed."""
    guard = next((reason for reason, is_active in _guards(state) if is_active), None)
    return (
        halted_by(state)
        or instrument.blocked_by(state)
        or startup.blocked_by(state)
        or guard
        or portfolio_limits.blocked_by(state)
    )


def halted_by(state: GridState) -> NotQuoting | None:
    """Return the reason that forbids all orders, None when not halted. FLATTENING allows those that close the position."""
    if state.removed:
        return NotQuoting.REMOVED
    if state.exiting:
        return NotQuoting.EXITING
    if state.halt is None:
        return None
    return NotQuoting.FLATTENING if state.halt.flattens else NotQuoting.STOPPED


def detail_of(state: GridState, reason: NotQuoting | None) -> str:
    """Return the explanation behind a reason, for operators; empty where there is none."""
    match reason:
        case NotQuoting.PAUSED:
            detail = state.paused_by
        case NotQuoting.STOPPED | NotQuoting.FLATTENING | NotQuoting.REMOVED:
            detail = "" if state.halt is None else state.halt.reason
        case NotQuoting.BREAKER_OPEN | NotQuoting.BREAKER_HALF_OPEN:
            detail = state.breaker.reason
        case NotQuoting.RESYNCING:
            detail = "" if state.resync is None else state.resync.reason
        case NotQuoting.MARKET_RISK:
            detail = ", ".join(sorted(symbol for symbol, each in state.watched.items() if each.is_abnormal))
        case NotQuoting.PREFLIGHT | NotQuoting.AWAITING_TRIGGER:
            detail = startup.detail(state)
        case _:
            detail = ""
    return detail


def halted_by_operator(state: GridState) -> str:
    """Return who halted or paused the grid or opened its breaker, and why: `alice: maintenance`; empty for a guard."""
    if state.halt is not None:
        return state.halt.by
    if state.paused:
        return state.paused_by
    return state.breaker.opened_by if state.breaker.state is BreakerState.OPEN else ""


def evaluate(draft: Draft, silence: TimePassed | None) -> None:
    """Evaluate the guards that depend on time, price and trades, each of which activates or clears.

    Market risk and the portfolio's limits are evaluated when their own inputs are applied.
    """
    stale_feed.on_tick(draft)
    stale_feed.on_silence(draft, silence)
    circuit_breaker.evaluate_round_trips(draft)
    drawdown.evaluate(draft)
    latency.evaluate(draft)
    stale_feed.trip_when_lost_too_long(draft)
    circuit_breaker.evaluate_cool_down(draft)
    margin_lock.release(draft)


def depends_on_ticks(state: GridState) -> bool:
    """Return whether any tick may activate or clear a guard, however little the price moves."""
    return bool(state.feed_lost_time) or drawdown.is_watched(state) or latency.is_link_watched(state)


def expiries(state: GridState) -> list[TimeNs]:
    """Return the times at which active guards change by themselves: the margin lock clears, the breaker turns half-open."""
    times = margin_lock.end_times(state)
    if state.breaker.state is BreakerState.OPEN:
        times.append(circuit_breaker.half_open_time(state))
    return times


def _guards(state: GridState) -> tuple[tuple[NotQuoting, bool], ...]:
    return (
        (NotQuoting.PAUSED, state.paused),
        (NotQuoting.FEED_LOST, bool(state.feed_lost_time)),
        (NotQuoting.BREAKER_OPEN, state.breaker.state is BreakerState.OPEN),
        (NotQuoting.MARKET_RISK, state.is_market_risky),
    )
