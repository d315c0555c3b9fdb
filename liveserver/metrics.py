"""Prometheus metrics of the live server."""

from bus.metrics import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds in seconds."""


class Metrics:
    """The metrics, in a registry of their own, because they are needed before the bus is reached."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connected_clients = Gauge(
            "live_server_connected_clients", "Connected viewers", registry=self.registry
        )
        self.messages_sent = Counter(
            "live_server_messages_sent_total",
            "Messages passed to viewers' connections",
            ["type"],
            registry=self.registry,
        )
        self.broadcast_latency = Histogram(
            "live_server_broadcast_latency_seconds",
            "Time from the arrival of a bus message until it is passed to all viewers' connections",
            registry=self.registry,
            buckets=LATENCY_BUCKETS,
        )
        self.dropped_clients = Counter(
            "live_server_dropped_clients_total",
            "Viewers disconnected for being too slow",
            registry=self.registry,
        )
        self.undecodable = Counter(
            "live_server_undecodable_total", "Bus messages that could not be decoded", registry=self.registry
        )
        self.refused = Counter(
            "live_server_refused_total",
            "Rejected requests, handshakes and messages",
            ["reason"],
            registry=self.registry,
        )
        self.commands = Counter(
            "live_server_commands_total",
            "Operator commands given through this server",
            ["outcome"],
            registry=self.registry,
        )
