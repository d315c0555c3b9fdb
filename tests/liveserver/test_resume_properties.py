"""Returning to any replica, at any moment, however far it has read: each durable event once and in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver.hub.group import ProtocolVersion, Viewer
from liveserver.hub.hub import Hub
from liveserver.hub.resume import Wait
from liveserver.metrics import Metrics
from liveserver.protocol.cursors import DURABLE
from liveserver.view.event_log import Entry, Ring
from liveserver.view.projection import Projection
from liveserver.view.topics import Wanted
from schemas.codec import Event, encode
from schemas.venue.orders import OrderStatus
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
OLDER = 2
"""So little does a replica keep."""


def entry(stream: str, sequence: int) -> Entry:
    event = STREAMS[stream][sequence - 1]
    return Entry(stream, sequence, sequence, event, encode(event))


class Site:
    """A replica without bus or sockets: it reads when it is told to."""

    def __init__(self) -> None:
        self.hub = Hub(Metrics())
        self.hub.fetch = self.waiting_add
        self.projection = Projection()
        self.waiting: set[Viewer] = set()
        self.read = dict.fromkeys(DURABLE, 0)
        self.projection.apply(events.ticker(), 1)
        self.projection.apply(events.ticker(symbol=events.ETH), 1)
        for stream in DURABLE:
            self.projection.log.rings[stream] = Ring("once", 0, events=OLDER)
        self.hub.show(self.projection)

    def waiting_add(self, viewer: Viewer) -> None:
        self.waiting.add(viewer)

    def read_on(self, stream: str) -> None:
        at = self.read[stream] + 1  # type: ignore[index]
        if at <= len(STREAMS[stream]):
            self.read[stream] = at  # type: ignore[index]
            event = STREAMS[stream][at - 1]
            self.hub.publish(self.projection.hear(stream, at, at, event, encode(event)))

    def work(self) -> None:
        """Do for those who wait what can be done now."""
        self.hub.flush()
        for viewer in list(self.waiting):
            while (wait := self.hub.advance(viewer)) is Wait.OLDER:
                self._fetch_older(viewer)
            if wait is None:
                self.waiting.discard(viewer)

    def _fetch_older(self, viewer: Viewer) -> None:
        returning = self.hub.returning(viewer)
        assert returning is not None
        heard = {(market, interval) for market, interval in self.hub.topics_of(viewer)}
        heard |= {(market, "") for market, _ in heard}
        for stream in self.projection.log.too_old(returning.positions):
            end = self.projection.log.rings[stream].after
            missed = [entry(stream, n) for n in range(returning.positions[stream].sequence + 1, end + 1)]
            self.hub.hand(viewer, returning, [e for e in missed if (e.market, e.interval) in heard])
            returning.passed(stream, end)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 2), st.sampled_from(sorted(STREAMS))),
        st.tuples(st.just("move"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("work"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("levels"), st.integers(0, 2), st.just("")),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from(["BTCUSDT", "ETHUSDT", "*"]))
def test_each_durable_event_comes_once_and_in_order(moves: list[tuple[str, int, str]], symbol: str) -> None:
    sites = [Site() for _ in range(3)]
    viewer, topics, seat = CountingViewer(), [Wanted(symbol)], 0
    sites[0].hub.join(viewer, topics, dialect=ProtocolVersion.V2)
    for what, site, stream in moves:
        match what:
            case "read":
                sites[site].read_on(stream)
            case "work":
                sites[site].work()
            case "levels":
                sites[site].hub.tell_streams()
            case _:
                # What was gathered and not yet sent is lost with the connection.
                sites[seat].hub.leave(viewer)
                sites[seat].waiting.discard(viewer)
                seat = site
                sites[seat].hub.join(viewer, topics, dialect=ProtocolVersion.V2, positions=viewer.positions)
    for site_ in sites:
        for stream, stored in STREAMS.items():
            for _ in stored:
                site_.read_on(stream)
        site_.work()

    assert viewer.reasons == ["first"]
    for stream, stored in STREAMS.items():
        told = [n for n in range(1, len(stored) + 1) if _is_for(symbol, stored[n - 1])]
        assert viewer.of(stream) == told


def _is_for(symbol: str, event: Event) -> bool:
    market = {"BTCUSDT": events.BTC, "ETHUSDT": events.ETH}.get(symbol)
    return market is None or event.symbol == market  # type: ignore[union-attr]
