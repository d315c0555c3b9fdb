"""A hub without sockets, and a viewer that records its messages."""

from typing import Any

from liveserver.hub.group import CloseCode
from liveserver.hub.hub import Hub
from liveserver.metrics import Metrics
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.view.projection import Projection
from schemas.codec import Event
from tests.liveserver.reading import objects_in


class RecordingViewer:
    """A viewer that accepts `capacity` messages."""

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self.writes = 0
        self.received: list[tuple[str, Any]] = []
        self.raw: list[dict[str, Any]] = []
        self.closed: CloseCode | None = None

    def send(self, data: bytes, message_count: int) -> bool:
        if len(self.received) + message_count > self._capacity:
            return False
        raw = objects_in(data)
        assert len(raw) == message_count
        self.raw += raw
        self.received += [(message["type"], message["data"]) for message in raw]
        self.writes += 1
        return True

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    is_blocked = False

    async def wait_writable(self) -> bool:
        return True

    @property
    def types(self) -> list[str]:
        return [kind for kind, _ in self.received]


class HubFixture:
    """A hub and its projection."""

    def __init__(self, *before: Event) -> None:
        self.metrics = Metrics()
        self.hub = Hub(self.metrics)
        self.projection = Projection()
        for event in before:
            self.projection.apply(event, 1)
        self.hub.set_projection(self.projection)

    def publish(self, event: Event) -> None:
        self.hub.publish(self.projection.apply(event, 1))
        self.hub.flush()

    def join(self, *topics: RequestedTopic, capacity: int = 1000) -> RecordingViewer:
        viewer = RecordingViewer(capacity)
        self.hub.join(viewer, topics or [RequestedTopic()])
        return viewer

    def sent(self, kind: str) -> float | None:
        return self.metrics.registry.get_sample_value("live_server_messages_sent_total", {"type": kind})


def last_prices(viewer: RecordingViewer, start: int = 0) -> list[tuple[str, str]]:
    return [(data["symbol"], data["last"]) for kind, data in viewer.received[start:] if kind == "ticker"]
