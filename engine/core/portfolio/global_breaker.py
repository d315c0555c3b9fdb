"""The global circuit breaker over all symbols: closed, open, or half-open (one trial level a side per symbol).

It opens on consecutive losing round trips across symbols; on a drawdown of the summed profit from its peak; when many
symbols have lost their feed, or have their own breaker open (a position divergence opens one); when the venue takes too
long to accept orders; and by an operator. After its cool-down it is half-open: a round trip without a loss closes it, and
a losing one opens it again.
"""

from engine.core.decisions import figures, seconds
from engine.core.guards.portfolio_limits import GLOBAL_BREAKER
from engine.core.portfolio.step import PortfolioDraft
from schemas.engine.events import Fill, Severity
from schemas.engine.portfolio import OrderLatency, PortfolioSettings
from schemas.grid.state import BreakerState, Peak
from schemas.grid.view import NotQuoting
from schemas.units import MILLISECOND_NS, ZERO, Figures, Money

MAX_PEAKS = 24
"""Number of equal parts of the drawdown window; of each the highest moment is kept."""
PEAK_RESOLUTION = 100
"""A new peak is recorded when it is higher by this fraction (1/100) of the limit."""
MAX_COUNTED_FILLS = 256
MIN_ORDERS = 20
"""With fewer orders a p99 means nothing."""


def on_fill(draft: PortfolioDraft, fill: Fill) -> None:
    """Count the round trip that a fill ended, once."""
    round_trip_key = f"{fill.symbol} {fill.trade_id}"
    breaker = draft.state.breaker
    if fill.round_trip is None or round_trip_key in draft.state.counted:
        return
    draft.touch()
    draft.state.counted.append(round_trip_key)
    del draft.state.counted[:-MAX_COUNTED_FILLS]
    is_loss = fill.round_trip < 0
    breaker.losses = breaker.losses + 1 if is_loss else 0
    limit = draft.state.settings.max_losing_round_trips
    if breaker.state is BreakerState.HALF_OPEN:
        if is_loss:
            text = f"a round trip of {fill.symbol} lost {-fill.round_trip:f} while half-open"
            trip(draft, text, figures(loss=-fill.round_trip))
        else:
            close(draft, f"a clean round trip of {fill.symbol}", figures(profit=fill.round_trip))
    elif 0 < limit <= breaker.losses:
        text = f"{breaker.losses} losing round trips in a row, the last one of {fill.symbol}"
        trip(draft, text, figures(losing_round_trips=breaker.losses, limit=limit))


def on_latency(draft: PortfolioDraft, latency: OrderLatency) -> None:
    """Trip the breaker when the venue takes too long to accept orders."""
    limit = draft.state.settings.max_order_latency
    if not limit or latency.count < MIN_ORDERS or latency.p99 < limit:
        return
    p99, most = latency.p99 // MILLISECOND_NS, limit // MILLISECOND_NS
    text = f"order latency {p99} ms (p99 of {latency.count} orders), the limit is {most} ms"
    trip(draft, text, figures(p99_ms=p99, limit_ms=most, orders=latency.count))


def evaluate(draft: PortfolioDraft) -> None:
    """Apply the cool-down, and trip the breaker on unhealthy symbols or on a drawdown."""
    state = draft.state
    breaker = state.breaker
    if (
        breaker.state is BreakerState.OPEN
        and breaker.opened_time + state.settings.breaker_cool_down <= draft.time
    ):
        breaker.state = BreakerState.HALF_OPEN
        draft.risk(
            Severity.MEDIUM,
            GLOBAL_BREAKER,
            "half-open: one trial level a side per symbol",
            figures(cool_down_s=seconds(state.settings.breaker_cool_down)),
            active=True,
        )
    _evaluate_symbols(draft, NotQuoting.FEED_LOST, state.settings.max_stale_symbols, "without a feed")
    _evaluate_symbols(
        draft, NotQuoting.BREAKER_OPEN, state.settings.max_tripped_symbols, "with an open breaker"
    )
    _evaluate_drawdown(draft)


def trip(draft: PortfolioDraft, details: str, because: Figures | None = None) -> bool:
    """Open the breaker; return whether it was not open before."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.OPEN:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.OPEN, draft.time, details
    breaker.losses, breaker.peaks = 0, []
    draft.risk(Severity.CRITICAL, GLOBAL_BREAKER, f"open: {details}", because, active=True)
    return True


def close(draft: PortfolioDraft, details: str, because: Figures | None = None) -> bool:
    """Close the breaker; return whether it was not closed before."""
    breaker = draft.state.breaker
    if breaker.state is BreakerState.CLOSED:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.CLOSED, 0, ""
    breaker.losses, breaker.peaks = 0, []
    draft.risk(Severity.LOW, GLOBAL_BREAKER, f"closed: {details}", because, active=False)
    return True


def _evaluate_symbols(draft: PortfolioDraft, reason: NotQuoting, limit: int, text: str) -> None:
    found = sorted(symbol for symbol, each in draft.seen.items() if each.not_quoting is reason)
    if 0 < limit <= len(found):
        trip(
            draft,
            f"{len(found)} symbols {text}: {', '.join(found)}",
            figures(symbols=len(found), limit=limit),
        )


def _evaluate_drawdown(draft: PortfolioDraft) -> None:
    limit = _drawdown_limit(draft.state.settings)
    if not limit or not draft.seen:
        return
    now = sum((each.total_profit for each in draft.seen.values()), ZERO)
    oldest = draft.time - draft.state.settings.drawdown_window
    peaks = [peak for peak in draft.state.breaker.peaks if peak.time > oldest]
    drawdown = max((peak.profit for peak in peaks), default=now) - now
    if drawdown >= limit:
        trip(
            draft,
            f"drawdown of {drawdown:f} from the peak, the limit is {limit:f}",
            figures(drawdown=drawdown, limit=limit, peak_profit=now + drawdown),
        )
    else:
        _remember(draft, peaks, now, limit)


def _remember(draft: PortfolioDraft, peaks: list[Peak], now: Money, limit: Money) -> None:
    breaker, part = draft.state.breaker, max(draft.state.settings.drawdown_window // MAX_PEAKS, 1)
    is_higher = not peaks or now >= peaks[0].profit + limit / PEAK_RESOLUTION
    is_later = bool(peaks) and peaks[-1].time // part != draft.time // part
    if not is_higher and not is_later:
        return
    draft.touch()
    breaker.peaks = [
        *(peak for peak in peaks if peak.profit > now),
        Peak(time=draft.time, profit=now),
    ]


def _drawdown_limit(settings: PortfolioSettings) -> Money:
    limits = [settings.max_drawdown, settings.max_drawdown_ratio * settings.max_exposure]
    return min((limit for limit in limits if limit > 0), default=ZERO)
