"""The circuit breaker over all symbols: closed it lets through, open it stops what opens, half-open it tries a little.

It opens on losing round trips in a row, whatever the symbol; on a drawdown of the summed profit from its peak; when many
symbols lost their feed, or have their own breaker open (a position that differs from the venue's is such a case); when the
venue takes too long to answer orders; and by hand. After its cool-down it is half-open: every symbol tries one level a
side, a clean round trip closes it and a losing one opens it again.
"""

from engine.core.guards.portfolio_limits import GLOBAL_BREAKER
from engine.core.portfolio.step import PortfolioDraft
from schemas.engine.events import Fill, Severity
from schemas.engine.portfolio import OrderLatency, PortfolioSettings
from schemas.grid.state import BreakerState, Peak
from schemas.grid.view import NotQuoting
from schemas.units import MILLISECOND_NS, ZERO, Money

PEAKS_KEPT = 24
"""Into so many parts the drawdown's window is cut; each keeps its highest moment."""
FINE = 100
"""A new peak is remembered when it is higher by this part of the limit: the drawdown is judged as finely."""
COUNTED_KEPT = 256
LEAST_ORDERS = 20
"""Of fewer orders nobody knows a 99th percentile."""


def on_fill(draft: PortfolioDraft, fill: Fill) -> bool:
    """Count the round trip that a fill ended, once, and tell whether it ended one."""
    name = f"{fill.symbol} {fill.trade_id}"
    breaker = draft.state.breaker
    if fill.round_trip is None or name in draft.state.counted:
        return False
    draft.state.counted.append(name)
    del draft.state.counted[:-COUNTED_KEPT]
    has_lost = fill.round_trip < 0
    breaker.losses = breaker.losses + 1 if has_lost else 0
    limit = draft.state.settings.max_losing_round_trips
    if breaker.state is BreakerState.HALF_OPEN:
        if has_lost:
            trip(draft, f"a round trip of {fill.symbol} lost {-fill.round_trip:f} again")
        else:
            close(draft, f"a clean round trip of {fill.symbol}")
    elif 0 < limit <= breaker.losses:
        trip(draft, f"{breaker.losses} losing round trips in a row, the last one of {fill.symbol}")
    return True


def on_latency(draft: PortfolioDraft, latency: OrderLatency) -> bool:
    """Judge how long the venue takes, and tell whether the breaker opened."""
    limit = draft.state.settings.max_order_latency
    if not limit or latency.count < LEAST_ORDERS or latency.p99 < limit:
        return False
    p99, most = latency.p99 // MILLISECOND_NS, limit // MILLISECOND_NS
    return trip(
        draft, f"the venue answers orders in {p99} ms (p99 of {latency.count}), the limit is {most} ms"
    )


def look(draft: PortfolioDraft) -> bool:
    """Judge all symbols and the time, and tell whether the breaker moved or a peak is to be remembered."""
    state = draft.state
    breaker = state.breaker
    moved = False
    if (
        breaker.state is BreakerState.OPEN
        and breaker.opened_time + state.settings.breaker_cool_down <= draft.time
    ):
        breaker.state = BreakerState.HALF_OPEN
        draft.risk(
            Severity.MEDIUM, GLOBAL_BREAKER, "half-open: every symbol tries one level a side", active=True
        )
        moved = True
    moved |= _judge_symbols(draft, NotQuoting.FEED_LOST, state.settings.max_stale_symbols, "without a feed")
    moved |= _judge_symbols(
        draft, NotQuoting.BREAKER_OPEN, state.settings.max_tripped_symbols, "with an open breaker"
    )
    return _judge_drawdown(draft) or moved


def trip(draft: PortfolioDraft, details: str) -> bool:
    """Open the breaker, and tell whether it was not open before."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.OPEN:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.OPEN, draft.time, details
    breaker.losses, breaker.peaks = 0, []
    draft.risk(Severity.CRITICAL, GLOBAL_BREAKER, f"open: {details}", active=True)
    return True


def close(draft: PortfolioDraft, details: str) -> bool:
    """Close the breaker, and tell whether it was not closed before."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.CLOSED:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.CLOSED, 0, ""
    breaker.losses, breaker.peaks = 0, []
    draft.risk(Severity.LOW, GLOBAL_BREAKER, f"closed: {details}", active=False)
    return True


def _judge_symbols(draft: PortfolioDraft, reason: NotQuoting, limit: int, text: str) -> bool:
    found = sorted(symbol for symbol, each in draft.seen.items() if each.not_quoting is reason)
    return 0 < limit <= len(found) and trip(draft, f"{len(found)} symbols {text}: {', '.join(found)}")


def _judge_drawdown(draft: PortfolioDraft) -> bool:
    limit = _drawdown_limit(draft.state.settings)
    if not limit or not draft.seen:
        return False
    now = sum((each.total_profit for each in draft.seen.values()), ZERO)
    oldest = draft.time - draft.state.settings.drawdown_window
    peaks = [peak for peak in draft.state.breaker.peaks if peak.time > oldest]
    drawdown = max((peak.profit for peak in peaks), default=now) - now
    if drawdown >= limit:
        return trip(draft, f"drawdown of {drawdown:f} from the peak, the limit is {limit:f}")
    return _remember(draft, peaks, now, limit)


def _remember(draft: PortfolioDraft, peaks: list[Peak], now: Money, limit: Money) -> bool:
    breaker, part = draft.state.breaker, max(draft.state.settings.drawdown_window // PEAKS_KEPT, 1)
    is_higher = not peaks or now >= peaks[0].profit + limit / FINE
    is_later = bool(peaks) and peaks[-1].time // part != draft.time // part
    if not is_higher and not is_later:
        return False
    breaker.peaks = [
        *(peak for peak in peaks if peak.profit > now),
        Peak(time=draft.time, profit=now),
    ]
    return True


def _drawdown_limit(settings: PortfolioSettings) -> Money:
    limits = [settings.max_drawdown, settings.max_drawdown_ratio * settings.max_exposure]
    return min((limit for limit in limits if limit > 0), default=ZERO)
