"""The hub: snapshots, live messages, one write per tick, slow viewers."""

from liveserver.hub.group import MAX_PENDING_BYTES, CloseCode
from liveserver.hub.hub import Hub
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.encoding import Encoding
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ErrorData
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.projection import Outgoing, ProtocolFilter
from liveserver.view.rendering import LazyMessage
from tests import builders
from tests.builders import BTC
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.hub.fixture import HubFixture, RecordingViewer


def test_viewer_receives_snapshot_then_live_messages() -> None:
    fixture = HubFixture(events.ticker("100"))
    viewer = fixture.join()
    before = len(viewer.received)

    fixture.publish(events.ticker("101"))

    assert viewer.types[0] == "history"
    assert [(kind, data["last"]) for kind, data in viewer.received[before:]] == [("ticker", "101")]


def test_viewer_receives_its_own_symbol_only() -> None:
    fixture = HubFixture(events.ticker(), events.ticker(symbol=ETH))
    btc, eth = fixture.join(RequestedTopic("BTCUSDT")), fixture.join(RequestedTopic("ETH/USDT:USDT"))
    before = len(btc.received)

    fixture.publish(events.ticker("7", symbol=ETH))

    assert len(btc.received) == before
    assert eth.received[-1][1]["last"] == "7"


def test_viewer_receives_its_own_interval_only() -> None:
    fixture = HubFixture(events.candle(1), events.candle(1, interval="5m"))
    minute, five = fixture.join(), fixture.join(RequestedTopic(interval="5m"))

    fixture.publish(events.candle(5, "105", interval="5m"))

    assert "kline" not in minute.types
    assert five.received[-1][1]["close"] == "105"


def test_messages_sent_counts_each_delivery() -> None:
    fixture = HubFixture(events.ticker())
    fixture.join()
    fixture.join()

    fixture.publish(events.position("1"))

    assert fixture.sent("position") == 2


def test_messages_of_one_tick_are_one_write_in_order() -> None:
    scheduled: list[object] = []
    fixture = HubFixture(events.ticker("100"))
    fixture.hub = Hub(fixture.metrics, scheduled.append)
    fixture.hub.set_projection(fixture.projection)
    viewer = fixture.join()
    before, writes = len(viewer.received), viewer.writes

    for price in ("1", "2", "3"):
        fixture.hub.publish(fixture.projection.apply(events.ticker(price), 1))
    fixture.hub.flush()

    assert [data["last"] for _, data in viewer.received[before:]] == ["1", "2", "3"]
    assert (viewer.writes - writes, len(scheduled)) == (1, 1)


def test_queued_message_reaches_a_new_viewer_in_its_snapshot_only() -> None:
    fixture = HubFixture(events.ticker("100"))
    first = fixture.join()
    before = len(first.received)
    fixture.hub.publish(fixture.projection.apply(events.ticker("101"), 1))

    second = fixture.join()
    fixture.hub.flush()

    assert [data["last"] for _, data in first.received[before:]] == ["101"]
    assert [data["last"] for kind, data in second.received if kind == "ticker"] == ["101"]


def test_size_of_one_write_is_bounded() -> None:
    fixture = HubFixture(events.ticker())
    viewer = fixture.join()
    writes = viewer.writes
    large = Message(MessageType.ERROR, ErrorData(error="x" * MAX_PENDING_BYTES))

    fixture.hub.broadcast(large)
    fixture.hub.broadcast(large)
    fixture.hub.flush()

    assert viewer.writes - writes == 2


def test_slow_viewer_is_removed_without_delaying_others() -> None:
    fixture = HubFixture(events.ticker())
    snapshot = len(fixture.join().received)
    slow, quick = fixture.join(capacity=snapshot + 1), fixture.join()

    for price in ("1", "2", "3"):
        fixture.publish(events.ticker(price))

    assert len(slow.received) == snapshot + 1
    assert [data["last"] for kind, data in quick.received[snapshot:]] == ["1", "2", "3"]
    assert len(fixture.hub) == 2


def test_v2_messages_name_market_and_sequence() -> None:
    fixture = HubFixture(events.ticker("100"))
    viewer = RecordingViewer()
    fixture.hub.join(viewer, [RequestedTopic()], encoding=Encoding.V2)

    fixture.hub.publish(
        [each._replace(seq="MARKET:7") for each in fixture.projection.apply(events.ticker("101"), 7)]
    )
    fixture.hub.flush()

    assert {key: viewer.raw[-1][key] for key in ("venue", "symbol", "seq")} == {
        "venue": "sim",
        "symbol": BTC,
        "seq": "MARKET:7",
    }
    assert {message.get("symbol") for message in viewer.raw} == {BTC, None}


async def test_wait_empty_returns_after_the_last_viewer_left() -> None:
    fixture = HubFixture(events.ticker())
    viewer = fixture.join()

    fixture.hub.close_all(CloseCode.GOING_AWAY, "stopping")
    fixture.hub.leave(viewer)
    fixture.hub.leave(viewer)
    await fixture.hub.wait_empty()

    assert viewer.closed is CloseCode.GOING_AWAY
    assert fixture.metrics.registry.get_sample_value("live_server_connected_clients") == 0


def test_message_without_receivers_is_not_rendered() -> None:
    fixture = HubFixture(events.ticker())
    fixture.join()
    rendered: list[str] = []

    def render() -> ErrorData:
        rendered.append("once")
        return ErrorData(error="text")

    message = LazyMessage(MessageType.ERROR, render, ())
    channel = Channel(Market(builders.SIM, BTC))
    fixture.hub.publish([Outgoing(channel, message, protocols=ProtocolFilter.V2)])
    assert rendered == []
    fixture.hub.publish([Outgoing(channel, message, protocols=ProtocolFilter.PLAIN)])
    assert rendered == ["once"]
