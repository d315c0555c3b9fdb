"""What the live server counts."""

from bus.metrics import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """The metrics, in a registry of their own until there is a part to report to."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connected_clients = Gauge(
            "live_server_connected_clients", "Viewers connected", registry=self.registry
        )
        self.messages_sent = Counter(
            "live_server_messages_sent_total",
            "Messages handed to viewers' connections",
            ["type"],
            registry=self.registry,
        )
        self.broadcast_latency = Histogram(
            "live_server_broadcast_latency_seconds",
            "From a message's arrival from the bus until it is with every viewer's connection",
            registry=self.registry,
            buckets=LATENCY_BUCKETS,
        )
        self.dropped_clients = Counter(
            "live_server_dropped_clients_total", "Viewers closed for being too slow", registry=self.registry
        )
        self.undecodable = Counter(
            "live_server_undecodable_total", "Messages that are no events of ours", registry=self.registry
        )
        self.refused = Counter(
            "live_server_refused_total",
            "Requests, handshakes and messages that were refused",
            ["reason"],
            registry=self.registry,
        )
        self.commands = Counter(
            "live_server_commands_total",
            "Commands given through this server",
            ["outcome"],
            registry=self.registry,
        )
