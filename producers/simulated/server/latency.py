"""Latency of requests: a fixed part and an exponentially distributed one, drawn by a key and numbers."""

from producers.simulated.draws import exponential
from producers.simulated.parameters import LatencySettings
from schemas.units import DurationNs


def request_delay(settings: LatencySettings, key: int, *numbers: int) -> DurationNs:
    """Return the nanoseconds that a request takes to the book; an equal key and numbers give an equal delay."""
    if not settings.jitter:
        return settings.request
    return settings.request + int(settings.jitter * exponential(key, *numbers))
