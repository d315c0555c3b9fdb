"""The hub: topics, new projections, and resumes."""

import pytest

from liveserver.hub.group import CloseCode
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.cursors import DURABLE_STREAMS, SnapshotReason, StreamCursor
from liveserver.protocol.encoding import Encoding
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ServerData
from liveserver.protocol.symbol_names import Market
from liveserver.view.market_status import Listing
from liveserver.view.projection import Projection
from schemas.codec import encode
from tests.builders import BTC, SIM
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.hub.fixture import HubFixture, RecordingViewer, last_prices

SERVER = Message(MessageType.SERVER, ServerData(replica="r", status="live", time_ms=1, uptime=0, clients=0))


def test_viewer_waits_until_a_market_is_known() -> None:
    fixture = HubFixture()
    viewer = fixture.join(RequestedTopic("ETHUSDT"))
    fixture.hub.broadcast(SERVER)
    fixture.hub.flush()

    fixture.publish(events.ticker(symbol=ETH))

    assert viewer.types[:2] == ["server", "history"]


def test_unknown_symbol_closes_with_an_error_that_lists_known_ones() -> None:
    fixture = HubFixture(events.ticker(), events.ticker(symbol=ETH))

    viewer = fixture.join(RequestedTopic("DOGEUSDT"))

    assert viewer.received == [
        (
            "error",
            {
                "error": "there is no symbol DOGEUSDT; known symbols: BTCUSDT, ETHUSDT",
                "known": ["BTCUSDT", "ETHUSDT"],
            },
        )
    ]
    assert viewer.closed is CloseCode.UNKNOWN_SYMBOL
    assert len(fixture.hub) == 0


def test_new_projection_sends_a_new_snapshot() -> None:
    fixture = HubFixture(events.ticker("100"), events.ticker(symbol=ETH))
    viewer = fixture.join(RequestedTopic("BTCUSDT"))
    before = len(viewer.received)
    other = Projection()
    other.apply(events.ticker("50"), 1)

    fixture.hub.set_projection(other)

    assert viewer.types[before] == "history"
    assert [data["last"] for kind, data in viewer.received[before:] if kind == "ticker"] == ["50"]


def test_viewer_waits_for_a_symbol_missing_in_a_new_projection() -> None:
    fixture = HubFixture(events.ticker(), events.ticker(symbol=ETH))
    viewer = fixture.join(RequestedTopic("ETHUSDT"))
    before = len(viewer.received)
    fixture.projection = Projection()
    fixture.hub.set_projection(fixture.projection)

    fixture.publish(events.ticker(symbol=BTC))
    assert len(viewer.received) == before
    fixture.publish(events.ticker(symbol=ETH))

    assert viewer.closed is None
    assert viewer.types[before] == "history"


def test_duplicate_topics_deliver_each_message_once_in_order() -> None:
    fixture = HubFixture(events.ticker("100"), events.ticker("7", symbol=ETH))
    viewer = fixture.join(RequestedTopic("BTCUSDT"), RequestedTopic("ETHUSDT"), RequestedTopic("btcusdt"))

    fixture.publish(events.ticker("8", symbol=ETH))
    fixture.publish(events.ticker("101"))

    assert last_prices(viewer) == [("BTCUSDT", "100"), ("ETHUSDT", "7"), ("ETHUSDT", "8"), ("BTCUSDT", "101")]


def test_wildcard_viewer_receives_a_new_symbol_once() -> None:
    fixture = HubFixture(events.ticker("100"))
    viewer = fixture.join(RequestedTopic("*"))

    fixture.publish(events.ticker("7", symbol=ETH))
    fixture.publish(events.ticker("8", symbol=ETH))

    assert last_prices(viewer) == [("BTCUSDT", "100"), ("ETHUSDT", "7"), ("ETHUSDT", "8")]


def test_subscribe_sends_a_snapshot_of_added_symbols_only() -> None:
    fixture = HubFixture(events.ticker("100"), events.ticker("7", symbol=ETH))
    viewer = fixture.join(RequestedTopic("BTCUSDT"))
    fixture.hub.publish(fixture.projection.apply(events.ticker("101"), 1))

    fixture.hub.subscribe(viewer, [RequestedTopic("ETHUSDT"), RequestedTopic("BTCUSDT")])
    fixture.publish(events.ticker("102"))
    fixture.hub.subscribe(viewer, [RequestedTopic("ETHUSDT")])
    fixture.publish(events.ticker("103"))

    assert last_prices(viewer) == [
        ("BTCUSDT", "100"),
        ("BTCUSDT", "101"),
        ("ETHUSDT", "7"),
        ("BTCUSDT", "102"),
    ]


def test_subscribe_to_an_unknown_symbol_keeps_the_old_topics() -> None:
    fixture = HubFixture(events.ticker("100"))
    viewer = fixture.join()

    fixture.hub.subscribe(viewer, [RequestedTopic("DOGEUSDT")])
    fixture.publish(events.ticker("101"))

    assert viewer.types[-2:] == ["error", "ticker"]
    assert viewer.closed is None


def test_new_projection_queues_a_backfill_for_a_blocked_viewer() -> None:
    fixture = HubFixture(events.ticker())
    blocked, ready = RecordingViewer(), RecordingViewer()
    blocked.is_blocked = True
    for viewer in (blocked, ready):
        fixture.hub.join(viewer, [RequestedTopic()], encoding=Encoding.V2)
    before = len(blocked.received)

    other = Projection()
    other.apply(events.ticker("50"), 1)
    fixture.hub.set_projection(other)

    assert fixture.hub.backfills.get_nowait() is blocked
    assert fixture.hub.backfills.empty()
    assert len(blocked.received) == before
    assert len(ready.received) > before


def test_resume_sends_missed_events_and_state_in_one_write() -> None:
    fixture = HubFixture(events.ticker("100"))
    for stream in DURABLE_STREAMS:
        fixture.projection.log.add_stream(stream, "once", 0)
    for n in range(1, 6):
        event = events.report(f"o{n}")
        fixture.projection.apply_stored("ORDERS", n, n, event, encode(event))
    viewer = RecordingViewer()

    cursors = {
        str(stream): StreamCursor("once", 3 if stream == "ORDERS" else 0) for stream in DURABLE_STREAMS
    }
    fixture.hub.join(viewer, [RequestedTopic()], encoding=Encoding.V2, cursors=cursors)

    assert viewer.writes == 1
    assert viewer.types[:4] == ["resumed", "orders", "orders", "orders"]
    assert [message["seq"] for message in viewer.raw if "seq" in message] == ["ORDERS:4", "ORDERS:5"]
    assert viewer.types[-2:] == ["symbols", "streams"]


@pytest.mark.parametrize("encoding", [Encoding.V2, Encoding.PUBLIC_V2])
def test_cursors_are_broadcast_to_all_v2_viewers(encoding: Encoding) -> None:
    fixture = HubFixture(events.ticker("100"))
    for stream in DURABLE_STREAMS:
        fixture.projection.log.add_stream(stream, "once", 0)
    viewer = RecordingViewer()
    fixture.hub.join(viewer, [RequestedTopic()], encoding=encoding)

    event = events.report("o1")
    fixture.projection.apply_stored("ORDERS", 1, 1, event, encode(event))
    before = viewer.types.count("streams")
    fixture.hub.broadcast_cursors()
    fixture.hub.flush()

    assert viewer.types.count("streams") == before + 1


def test_replaying_viewer_receives_no_live_messages_until_its_reset() -> None:
    fixture = HubFixture(events.ticker("100"))
    viewer = fixture.join()
    assert fixture.hub.start_replay(viewer)

    fixture.publish(events.ticker("101"))
    assert fixture.hub.is_replaying(viewer)
    assert last_prices(viewer) == [("BTCUSDT", "100")]
    fixture.hub.reset(viewer, SnapshotReason.REPLAY_STOPPED)

    assert not fixture.hub.is_replaying(viewer)
    assert last_prices(viewer) == [("BTCUSDT", "100"), ("BTCUSDT", "101")]


def test_unknown_symbol_does_not_end_a_replay() -> None:
    fixture = HubFixture(events.ticker("100"))
    viewer = fixture.join()
    fixture.hub.start_replay(viewer)

    fixture.hub.subscribe(viewer, [RequestedTopic("DOGEUSDT")])
    assert fixture.hub.is_replaying(viewer)
    fixture.hub.subscribe(viewer, [RequestedTopic("BTCUSDT")])

    assert not fixture.hub.is_replaying(viewer)


def test_a_removed_symbol_is_silent_and_comes_back_with_a_snapshot() -> None:
    fixture = HubFixture(events.ticker(), events.ticker(symbol=ETH))
    viewer = fixture.join(RequestedTopic("BTCUSDT"))
    fixture.hub.publish(fixture.projection.set_listing(Market(SIM, BTC), Listing.GONE))
    fixture.publish(events.ticker("101"))
    without = len(viewer.received)
    fixture.hub.publish(fixture.projection.set_listing(Market(SIM, BTC), Listing.TRADED))
    fixture.publish(events.ticker("102"))

    assert [each["symbol"] for each in viewer.received[without - 1][1]] == ["ETHUSDT"]
    assert "history" in viewer.types[without:]
    assert last_prices(viewer, without)[-1] == ("BTCUSDT", "102")
