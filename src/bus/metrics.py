"""The metric types, so that only this package knows which library counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["CollectorRegistry", "Counter", "Gauge", "Histogram"]
