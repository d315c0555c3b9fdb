"""Latency guard: slow order acceptance, or ticks that keep arriving late, trip the circuit breaker.

Order latency runs from the market time of the decision to the venue's time of acceptance. Link latency runs from the
venue's time of a tick to its receive time at our publisher, so it includes the difference between the two clocks.
"""

import math

from engine.core.decisions import figures, milliseconds, seconds, seconds_text
from engine.core.guards.circuit_breaker import trip
from engine.core.step import Draft
from schemas.grid.state import SlotOrder
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs
from schemas.venue.market import Ticker
from schemas.venue.orders import OrderReport, OrderStatus

MAX_LATENCIES = 200
MIN_LATENCIES = 20
"""With fewer samples a p99 means nothing."""

LINK_PATIENCE_NS: DurationNs = 3 * SECOND_NS
"""How long every tick has to be late before the breaker trips: one late tick is not a slow link."""


def note_acceptance(draft: Draft, order: SlotOrder, report: OrderReport) -> None:
    """Record the latency of an order's acceptance, once, if `max_order_latency` is set."""
    state = draft.state
    if not state.settings.max_order_latency or not order.decided_time or report.status is not OrderStatus.NEW:
        return
    draft.touch()
    state.breaker.latencies.append(max(report.time - order.decided_time, 0))
    del state.breaker.latencies[:-MAX_LATENCIES]
    order.decided_time = 0


def link_latency(ticker: Ticker) -> DurationNs | None:
    """Return how late a ticker arrived, in nanoseconds; None without a receive time."""
    return ticker.received_time - ticker.time if ticker.received_time else None


def evaluate(draft: Draft) -> None:
    """Trip the breaker when orders or ticks take too long."""
    _evaluate_orders(draft)
    _evaluate_link(draft)


def p99(latencies: list[DurationNs]) -> DurationNs:
    """Return the 99th percentile of at least two samples, but never the largest one: a single outlier does not count."""
    ordered = sorted(latencies)
    nearest_rank = math.ceil(99 * len(ordered) / 100)
    second_largest_rank = len(ordered) - 1
    return ordered[min(nearest_rank, second_largest_rank) - 1]


def _evaluate_orders(draft: Draft) -> None:
    limit, latencies = draft.state.settings.max_order_latency, draft.state.breaker.latencies
    if not limit or len(latencies) < MIN_LATENCIES or p99(latencies) < limit:
        return
    measured = f"p99 of the last {len(latencies)} orders {_ms(p99(latencies))}, the limit is {_ms(limit)}"
    found = figures(p99_ms=milliseconds(p99(latencies)), limit_ms=milliseconds(limit), orders=len(latencies))
    trip(draft, f"order latency: {measured}", found)


def _evaluate_link(draft: Draft) -> None:
    limit, breaker, latency = draft.state.settings.max_link_latency, draft.state.breaker, draft.link_latency
    if latency is None:
        return
    is_slow = limit > 0 and latency >= limit
    if not is_slow:
        if breaker.slow_since:
            draft.touch()
            breaker.slow_since = 0
        return
    if not breaker.slow_since:
        draft.touch()
        breaker.slow_since = draft.price_time
        return
    slow_ns = draft.price_time - breaker.slow_since
    if slow_ns >= LINK_PATIENCE_NS:
        measured = f"ticks arrive {_ms(latency)} late for {seconds_text(slow_ns)}, the limit is {_ms(limit)}"
        found = figures(
            latency_ms=milliseconds(latency), limit_ms=milliseconds(limit), slow_for_s=seconds(slow_ns)
        )
        trip(draft, f"link latency: {measured}", found)


def _ms(duration: DurationNs) -> str:
    return f"{duration / MILLISECOND_NS:.1f}".removesuffix(".0") + " ms"
