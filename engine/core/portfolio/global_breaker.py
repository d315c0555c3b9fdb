"""Circuit breakers over many symbols: a global one, and one for each quote currency. A symbol obeys the worse of its two.

States: closed, open, or half-open (one trial level a side per symbol). That of a currency opens on consecutive losing
round trips across its symbols, and on a drawdown of their summed profit from its peak. The global one opens when many
symbols have lost their feed, or have their own breaker open (a position divergence opens one); when a venue takes too long
to accept orders; and by an operator: these do not depend on a currency. After its cool-down, which each trip in a row
doubles, a breaker is half-open, unless the drawdown is still at its limit: then a round trip of a level that was opened
meanwhile closes it if it made no loss, and opens it again if it did.
"""

from engine.core.decisions import figures, seconds
from engine.core.guards.circuit_breaker import lengthened
from engine.core.guards.portfolio_limits import GLOBAL_BREAKER
from engine.core.portfolio.step import PortfolioDraft
from schemas.engine.events import Fill, Severity
from schemas.engine.portfolio import CurrencyLimits, OrderLatency
from schemas.engine.portfolio_journal import Bucket, GlobalBreaker
from schemas.grid.guard_state import BreakerState, Peak
from schemas.grid.view import NotQuoting
from schemas.units import MILLISECOND_NS, ZERO, DurationNs, Figures, Money
from schemas.venue.instruments import quote_of

MAX_PEAKS = 24
"""Number of equal parts of the drawdown window; of each the highest moment is kept."""
PEAK_RESOLUTION = 100
"""A new peak is recorded when it is higher by this fraction (1/100) of the limit."""
MAX_COUNTED_FILLS = 256
MIN_ORDERS = 20
"""With fewer orders a p99 means nothing."""


def on_fill(draft: PortfolioDraft, fill: Fill) -> None:
    """Count the round trip that a fill ended, once."""
    round_trip_key = f"{fill.venue} {fill.symbol} {fill.trade_id}"
    if fill.round_trip is None or round_trip_key in draft.state.counted:
        return
    draft.touch()
    draft.state.counted.append(round_trip_key)
    del draft.state.counted[:-MAX_COUNTED_FILLS]
    currency = quote_of(fill.symbol)
    breaker, is_loss = draft.bucket(currency).breaker, fill.round_trip < 0
    breaker.losses = breaker.losses + 1 if is_loss else 0
    limit = draft.state.settings.of(currency).max_losing_round_trips
    # Fills of version 2 do not tell whether their level was opened while half-open.
    may_decide = fill.is_trial is not False
    breakers = (draft.state.breaker, breaker) if may_decide else ()
    half_open = [each for each in breakers if each.state is BreakerState.HALF_OPEN]
    for each in half_open:
        if is_loss:
            text = f"a round trip of {fill.symbol} lost {-fill.round_trip:f} {currency} while half-open"
            _open(draft, each, text, figures(loss=-fill.round_trip))
        else:
            text = f"a clean round trip of {fill.symbol}"
            _close(draft, each, text, figures(profit=fill.round_trip))
    if breaker not in half_open and 0 < limit <= breaker.losses:
        text = f"{breaker.losses} losing round trips in a row in {currency}, the last one of {fill.symbol}"
        _open(draft, breaker, text, figures(losing_round_trips=breaker.losses, limit=limit))


def on_latency(draft: PortfolioDraft, latency: OrderLatency) -> None:
    """Trip the global breaker when a venue takes too long to accept orders."""
    limit = draft.state.settings.max_order_latency
    if not limit or latency.count < MIN_ORDERS or latency.p99 < limit:
        return
    p99, most = latency.p99 // MILLISECOND_NS, limit // MILLISECOND_NS
    text = f"order latency of {latency.venue} {p99} ms (p99 of {latency.count} orders), limit {most} ms"
    trip(draft, text, figures(p99_ms=p99, limit_ms=most, orders=latency.count))


def evaluate(draft: PortfolioDraft) -> None:
    """Apply the cool-downs, and trip the breakers on unhealthy symbols or on a drawdown."""
    settings = draft.state.settings
    _cool_down(draft, draft.state.breaker, settings.breaker_cool_down)
    _evaluate_symbols(draft, NotQuoting.FEED_LOST, settings.max_stale_symbols, "without a feed")
    _evaluate_symbols(draft, NotQuoting.BREAKER_OPEN, settings.max_tripped_symbols, "with an open breaker")
    for currency in draft.currencies():
        limits, bucket = settings.of(currency), draft.bucket(currency)
        if not _evaluate_drawdown(draft, currency, limits, bucket):
            _cool_down(draft, bucket.breaker, limits.breaker_cool_down)


def trip(draft: PortfolioDraft, details: str, because: Figures | None = None, *, by: str = "") -> bool:
    """Open the global breaker; return whether it was not open before.

    `by` is the operator with the reason given, `alice: maintenance`; empty for a guard.
    """
    return _open(draft, draft.state.breaker, details, because, by=by)


def close(draft: PortfolioDraft, by: str) -> bool:
    """Close the global breaker and those of all currencies; return whether one was not closed before."""
    breakers = [draft.state.breaker, *(draft.bucket(each).breaker for each in draft.currencies())]
    closed = [_close(draft, each, "", None, by=by) for each in breakers]
    return any(closed)


def worse(one: GlobalBreaker, other: GlobalBreaker) -> GlobalBreaker:
    """Return the breaker that restricts more, the first if both do alike."""
    rank = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)
    return max(one, other, key=lambda each: rank.index(each.state))


def _open(
    draft: PortfolioDraft, breaker: GlobalBreaker, details: str, because: Figures | None, *, by: str = ""
) -> bool:
    if breaker.state is BreakerState.OPEN:
        return False
    breaker.state, breaker.opened_time = BreakerState.OPEN, draft.time
    breaker.reason = f"opened by {by}" if by else details
    breaker.trips += 1
    breaker.losses = 0
    text = breaker.reason if by else f"open: {details}"
    draft.risk(Severity.CRITICAL, GLOBAL_BREAKER, text, because, active=True)
    return True


def _close(
    draft: PortfolioDraft, breaker: GlobalBreaker, details: str, because: Figures | None, *, by: str = ""
) -> bool:
    if breaker.state is BreakerState.CLOSED:
        return False
    breaker.state, breaker.opened_time, breaker.reason = BreakerState.CLOSED, 0, ""
    breaker.losses = breaker.trips = 0
    if by:
        breaker.peaks = []  # an operator accepts the drawdown
    text = f"closed by {by}" if by else f"closed: {details}"
    draft.risk(Severity.LOW, GLOBAL_BREAKER, text, because, active=False)
    return True


def _cool_down(draft: PortfolioDraft, breaker: GlobalBreaker, cool_down: DurationNs) -> None:
    lasts = lengthened(cool_down, breaker.trips)
    if breaker.state is BreakerState.OPEN and breaker.opened_time + lasts <= draft.time:
        breaker.state = BreakerState.HALF_OPEN
        details = f"half-open, one trial level a side per symbol, after: {breaker.reason}"
        because = figures(cool_down_s=seconds(lasts))
        draft.risk(Severity.MEDIUM, GLOBAL_BREAKER, details, because, active=True)


def _evaluate_symbols(draft: PortfolioDraft, reason: NotQuoting, limit: int, text: str) -> None:
    found = [each for each in draft.seen.values() if each.not_quoting is reason]
    if 0 < limit <= len(found):
        names = ", ".join(sorted(f"{each.venue} {each.symbol}" for each in found))
        trip(draft, f"{len(found)} symbols {text}: {names}", figures(symbols=len(found), limit=limit))


def _evaluate_drawdown(draft: PortfolioDraft, currency: str, limits: CurrencyLimits, bucket: Bucket) -> bool:
    """Trip on a drawdown at its limit, else note a peak; return whether it is at its limit."""
    limit, seen = _drawdown_limit(limits), draft.seen_in(currency)
    if not limit or not seen:
        return False
    now = sum((each.total_profit + each.earlier_profit for each in seen), ZERO)
    oldest = draft.time - limits.drawdown_window
    peaks = [peak for peak in bucket.breaker.peaks if peak.time > oldest]
    drawdown = max((peak.profit for peak in peaks), default=now) - now
    if drawdown >= limit:
        _open(
            draft,
            bucket.breaker,
            f"drawdown of {drawdown:f} {currency} from the peak, the limit is {limit:f}",
            figures(drawdown=drawdown, limit=limit, peak_profit=now + drawdown),
        )
        return True
    part = max(limits.drawdown_window // MAX_PEAKS, 1)
    _remember(draft, bucket.breaker, peaks, Peak(time=draft.time, profit=now), part, limit)
    return False


def _remember(
    draft: PortfolioDraft,
    breaker: GlobalBreaker,
    peaks: list[Peak],
    now: Peak,
    part: DurationNs,
    limit: Money,
) -> None:
    is_higher = not peaks or now.profit >= peaks[0].profit + limit / PEAK_RESOLUTION
    is_later = bool(peaks) and peaks[-1].time // part != now.time // part
    if not is_higher and not is_later:
        return
    draft.touch()
    breaker.peaks = [*(peak for peak in peaks if peak.profit > now.profit), now]


def _drawdown_limit(limits: CurrencyLimits) -> Money:
    ratios = [limits.max_drawdown, limits.max_drawdown_ratio * limits.max_exposure]
    return min((limit for limit in ratios if limit > 0), default=ZERO)
