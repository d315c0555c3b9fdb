"""What the gateways of one process share, and their metrics."""

from typing import NamedTuple

from bus.metrics import CollectorRegistry, Counter, Histogram
from producers.gateway.engine_watchdog import HeartbeatMonitor
from producers.gateway.exposure import Exposure
from producers.gateway.latency import OrderLatencies
from producers.gateway.rate_limiter import VenueRateLimiter
from schemas.units import MILLISECOND_NS, DurationNs

QUEUE_LIFETIME_NS: DurationNs = 1_500 * MILLISECOND_NS
"""Half of a new grid's `max_order_latency`, so that orders which our own queue held back do not open the circuit breaker:
the limit is for a slow venue."""


class GatewayContext(NamedTuple):
    """What a gateway shares with others or measures: rate limit, exposure, heartbeat, latencies, dead man's switch."""

    rate_limiter: VenueRateLimiter
    """Of the venue, shared by all symbols. Applies to every request."""
    exposure: Exposure
    """Of all symbols of the venue. Checked for opening orders only."""
    heartbeat: HeartbeatMonitor
    """Of the symbol's engine. Checked for opening orders only."""
    latencies: OrderLatencies
    """Records the response times of placements."""
    queue_lifetime_ns: DurationNs = QUEUE_LIFETIME_NS
    """Maximum wait of an order in the queue, for the rate limit or a pause that the venue asked for. One that is not sent
    by then is reported as not placed, and the engine decides again at the price of that time."""
    dead_man_s: float = 0.0
    """Seconds after which the venue cancels all orders of the symbol unless the gateway defers it; 0 is never."""


class GatewayMetrics:
    """Metrics of the gateway, over all symbols of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.placed = Counter(
            "market_maker_orders_placed", "Orders the venue accepted", ["symbol", "side"], registry=registry
        )
        self.refused = Counter(
            "market_maker_orders_refused",
            "Orders that were not placed",
            ["symbol", "reason"],
            registry=registry,
        )
        self.latency = Histogram(
            "market_maker_latency_exchange_seconds",
            "From the request to the venue's response",
            registry=registry,
        )
        self.undecodable = Counter("gateway_undecodable", "Messages that did not decode", registry=registry)
