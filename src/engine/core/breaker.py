"""The circuit breaker of one grid: closed it lets through, open it stops what opens, half-open it tries one level a side.

It opens on losing round trips in a row, on a drawdown from the peak of the total profit, on a position that differs from
the venue's, and by hand. Open lasts for the cool-down, restarts included; then a clean round trip closes it, and a losing
one opens it again. The peak is that of the steps within `drawdown_window`.
"""

from typing import NamedTuple

from engine.core.step import Draft
from schemas.engine import Severity
from schemas.grid import BreakerState, GridState, Peak
from schemas.grid_settings import GridMode
from schemas.units import Money, Price, Side

CIRCUIT_BREAKER = "circuit_breaker"
PEAKS_KEPT = 24
"""Into so many parts the drawdown's window is cut; each keeps its highest step."""


class Windows(NamedTuple):
    """How many levels may have opening orders, on each side of the center."""

    buy: int
    sell: int


def look(draft: Draft) -> bool:
    """Judge the round trips and the price of a step in the making, and tell whether the breaker moved."""
    moved = _judge_round_trips(draft)
    moved |= _judge_drawdown(draft)
    breaker = draft.state.breaker
    if breaker.state is BreakerState.OPEN and ends_at(draft.state) <= draft.time:
        breaker.state = BreakerState.HALF_OPEN
        draft.risk(Severity.MEDIUM, CIRCUIT_BREAKER, "half-open: one level a side is tried", active=True)
        return True
    return moved


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


def note_opening(state: GridState, level: int) -> None:
    """Remember the level of an opening trade that a half-open breaker let through."""
    tried = state.breaker.tried
    if _is_half_open(state) and level not in tried:
        tried.append(level)


def remember_peak(state: GridState, price: Price) -> None:
    """Note the profit of a step, where a drawdown is watched."""
    settings, peaks = state.settings, state.breaker.peaks
    if not watches_drawdown(state):
        return
    now = _profit(state, price)
    oldest = state.time - settings.drawdown_window
    part = max(settings.drawdown_window // PEAKS_KEPT, 1)
    kept = [peak for peak in peaks if peak.time > oldest and peak.profit > now]
    if not kept or kept[-1].time // part != state.time // part:
        kept.append(Peak(time=state.time, profit=now))
    state.breaker.peaks = kept


def watches_drawdown(state: GridState) -> bool:
    """Tell whether any tick may open the breaker."""
    return state.settings.max_drawdown > 0 or state.settings.max_drawdown_ratio > 0


def _judge_round_trips(draft: Draft) -> bool:
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


def _judge_drawdown(draft: Draft) -> bool:
    state, settings = draft.state, draft.state.settings
    oldest = draft.time - settings.drawdown_window
    peaks = [peak.profit for peak in state.breaker.peaks if peak.time > oldest]
    if not peaks or draft.price is None or not watches_drawdown(state):
        return False
    drawdown = max(peaks) - _profit(state, draft.price)
    limits = [settings.max_drawdown, settings.max_drawdown_ratio * _full_window(state)]
    limit = min(limit for limit in limits if limit > 0)
    return drawdown >= limit and trip(draft, f"drawdown of {drawdown} from the peak, the limit is {limit}")


def _is_half_open(state: GridState) -> bool:
    return BreakerState.HALF_OPEN in {state.breaker.state, state.global_breaker}


def _full_window(state: GridState) -> Money:
    settings = state.settings
    sells = settings.sell_window if settings.mode is GridMode.NEUTRAL else 0
    return settings.order_amount * max(settings.buy_window, sells)


def _profit(state: GridState, price: Price) -> Money:
    accounts = state.accounts
    return accounts.cash + accounts.position * price - accounts.fees + accounts.funding


def _forget(state: GridState) -> None:
    state.breaker.losses = 0
    state.breaker.peaks = []
    state.breaker.tried = []
