"""Latency of requests: a fixed part and an exponentially distributed one, drawn by the number of the request."""

from producers.simulated.draws import exponential, key_of
from producers.simulated.parameters import LatencySettings
from schemas.units import DurationNs


def request_delay(settings: LatencySettings, seed: int, *numbers: int) -> DurationNs:
    """Return the nanoseconds that a request takes to the book; equal arguments give equal delays."""
    if not settings.jitter:
        return settings.request
    return settings.request + int(settings.jitter * exponential(key_of(seed, "latency"), *numbers))
