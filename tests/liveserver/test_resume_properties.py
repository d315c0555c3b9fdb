"""Resuming on any replica, at any time and read progress: each durable event arrives once and in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.hub.resume import WaitFor
from liveserver.metrics import Metrics
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.cursors import DURABLE_STREAMS
from liveserver.protocol.encoding import Encoding
from liveserver.view.event_log import EventBuffer, StoredEvent, with_market_channels
from liveserver.view.projection import Projection
from schemas.codec import Event, encode
from schemas.venue.orders import OrderStatus
from tests import builders
from tests.liveserver import events
from tests.liveserver.resuming import CountingViewer

STREAMS: dict[str, list[Event]] = {
    "CANDLES": [events.candle(minute) for minute in range(5)],
    "ORDERS": [
        events.report("a"),
        events.trade("t1", "a"),
        events.report("a", OrderStatus.FILLED, "1"),
        events.report("b", symbol=events.ETH),
        events.report("c"),
        events.trade("t2", "c", symbol=events.ETH),
        events.report("c", OrderStatus.CANCELED),
    ],
    "ENGINE": [events.fill("t1"), events.risk("volume"), events.risk("volume", active=False)],
    "CONTROL": [events.result("x")],
    "JOURNAL": [events.grid(step=step) for step in range(6)],
}
BUFFER_EVENTS = 2
"""Few, so that older events have to be read from the bus."""


def stored(stream: str, sequence: int) -> StoredEvent:
    event = STREAMS[stream][sequence - 1]
    return StoredEvent(stream, sequence, sequence, event, encode(event))


class Replica:
    """A replica without bus and sockets, which reads a message on request."""

    def __init__(self) -> None:
        self.hub = Hub(Metrics())
        self.projection = Projection()
        self.waiting: set[Viewer] = set()
        self.read = dict.fromkeys(map(str, STREAMS), 0)
        self.projection.apply(events.ticker(), 1)
        self.projection.apply(events.ticker(symbol=events.ETH), 1)
        for stream in DURABLE_STREAMS:
            self.projection.log.buffers[stream] = EventBuffer("once", 0, events=BUFFER_EVENTS)
        self.hub.set_projection(self.projection)

    def read_next(self, stream: str) -> None:
        sequence = self.read[stream] + 1
        if sequence <= len(STREAMS[stream]):
            self.read[stream] = sequence
            event = STREAMS[stream][sequence - 1]
            self.hub.publish(self.projection.apply_stored(stream, sequence, sequence, event, encode(event)))

    def backfill(self) -> None:
        """Continue all resumes as far as possible."""
        self.hub.flush()
        while not self.hub.backfills.empty():
            self.waiting.add(self.hub.backfills.get_nowait())
        for viewer in list(self.waiting):
            while (wait_for := self.hub.advance(viewer)) is WaitFor.OLDER_EVENTS:
                self._send_older(viewer)
            if wait_for is None:
                self.waiting.discard(viewer)
                self.hub.end_backfill(viewer)

    def _send_older(self, viewer: Viewer) -> None:
        progress = self.hub.resume_progress(viewer)
        assert progress is not None
        channels = with_market_channels(self.hub.channels_of(viewer))
        for stream in self.projection.log.older_streams(progress.cursors):
            end = self.projection.log.buffers[stream].start_after
            missed = [stored(stream, n) for n in range(progress.cursors[stream].sequence + 1, end + 1)]
            self.hub.send_missed(viewer, progress, [event for event in missed if event.channel in channels])
            progress.advance(stream, end)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 2), st.sampled_from(sorted(STREAMS))),
        st.tuples(st.just("reconnect"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("backfill"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("cursors"), st.integers(0, 2), st.just("")),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from(["BTCUSDT", "ETHUSDT", "*"]))
def test_each_durable_event_arrives_once_and_in_order(moves: list[tuple[str, int, str]], symbol: str) -> None:
    replicas = [Replica() for _ in range(3)]
    viewer, topics, current = CountingViewer(), [RequestedTopic(symbol)], 0
    replicas[0].hub.join(viewer, topics, encoding=Encoding.V2)
    for step, number, stream in moves:
        match step:
            case "read":
                replicas[number].read_next(stream)
            case "backfill":
                replicas[number].backfill()
            case "cursors":
                replicas[number].hub.broadcast_cursors()
            case _:
                # Queued and unsent messages are lost with the connection.
                replicas[current].hub.leave(viewer)
                replicas[current].waiting.discard(viewer)
                current = number
                replicas[current].hub.join(viewer, topics, encoding=Encoding.V2, cursors=viewer.cursors)
    for replica in replicas:
        for stream, messages in STREAMS.items():
            for _ in messages:
                replica.read_next(stream)
        replica.backfill()

    assert viewer.reasons == ["first"]
    for stream, messages in STREAMS.items():
        expected = [n for n in range(1, len(messages) + 1) if _is_for(symbol, messages[n - 1])]
        assert viewer.of(stream) == expected


def _is_for(symbol: str, event: Event) -> bool:
    market = {"BTCUSDT": builders.BTC, "ETHUSDT": events.ETH}.get(symbol)
    return market is None or event.symbol == market  # type: ignore[union-attr]
