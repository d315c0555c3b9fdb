"""How long the venue takes for our orders, and its ticks to us: what lasts too long opens the circuit breaker.

An order's latency is from the market time that it was decided at to the venue's time of its acceptance. A tick's is from
the venue's time to our publisher's, so that it has the difference of the two clocks in it.
"""

from engine.core.guards.circuit_breaker import trip
from engine.core.step import Draft
from schemas.grid.state import GridState, SlotOrder
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs
from schemas.venue.market import Ticker
from schemas.venue.orders import OrderReport, OrderStatus

LATENCIES_KEPT = 200
LATENCIES_NEEDED = 20
"""With fewer there is no p99 to speak of."""

LINK_PATIENCE: DurationNs = 3 * SECOND_NS
"""Ticks have to be late for so long: one late tick is no slow link."""


def note_acceptance(state: GridState, order: SlotOrder, report: OrderReport) -> bool:
    """Note how long an order took to be accepted, once and where it is watched; tell whether it was noted."""
    if not state.settings.max_order_latency or not order.decided_time or report.status is not OrderStatus.NEW:
        return False
    state.breaker.latencies.append(max(report.time - order.decided_time, 0))
    del state.breaker.latencies[:-LATENCIES_KEPT]
    order.decided_time = 0
    return True


def link_latency(ticker: Ticker) -> DurationNs | None:
    """Return how late a ticker came, None when it does not say."""
    return ticker.received_time - ticker.time if ticker.received_time else None


def look(draft: Draft) -> bool:
    """Judge the latencies known, and tell whether that changed anything."""
    return _judge_orders(draft) | _judge_link(draft)


def is_link_watched(state: GridState) -> bool:
    """Tell whether any tick may show that the link is slow."""
    return state.settings.max_link_latency > 0


def p99(latencies: list[DurationNs]) -> DurationNs:
    """Return the latency that 1 % are above, and at least one is: a single outlier is not the rule."""
    ordered = sorted(latencies)
    return ordered[min(-(-99 * len(ordered) // 100) - 1, len(ordered) - 2)]


def _judge_orders(draft: Draft) -> bool:
    limit, latencies = draft.state.settings.max_order_latency, draft.state.breaker.latencies
    if not limit or len(latencies) < LATENCIES_NEEDED or p99(latencies) < limit:
        return False
    found = f"p99 of the last {len(latencies)} orders {_ms(p99(latencies))}, the limit is {_ms(limit)}"
    return trip(draft, f"order latency: {found}")


def _judge_link(draft: Draft) -> bool:
    limit, breaker, latency = draft.state.settings.max_link_latency, draft.state.breaker, draft.link_latency
    if latency is None:
        return False
    if not 0 < limit <= latency:
        was_slow, breaker.slow_since = bool(breaker.slow_since), 0
        return was_slow
    if not breaker.slow_since:
        breaker.slow_since = draft.price_time
        return True
    lasted = draft.price_time - breaker.slow_since
    found = f"ticks arrive {_ms(latency)} late for {lasted / SECOND_NS:g} s, the limit is {_ms(limit)}"
    return lasted >= LINK_PATIENCE and trip(draft, f"link latency: {found}")


def _ms(duration: DurationNs) -> str:
    return f"{duration / MILLISECOND_NS:g} ms"
