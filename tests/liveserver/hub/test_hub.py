"""The hub: snapshot, then tail; each viewer what it asked for; nobody waits for anybody."""

from typing import Any

import pytest

from liveserver.hub.group import PIECE, CloseCode, ProtocolVersion
from liveserver.hub.hub import Hub
from liveserver.metrics import Metrics
from liveserver.protocol.cursors import DURABLE, Position
from liveserver.protocol.server_messages import ErrorData, Message, MessageType, ServerData
from liveserver.protocol.symbol_names import Market
from liveserver.view.later import Later
from liveserver.view.projection import Channel, Outgoing, Projection, Reach
from liveserver.view.topics import Wanted
from schemas.codec import Event, encode
from tests.liveserver import events
from tests.liveserver.events import BTC, ETH
from tests.liveserver.reading import objects_in

SERVER = Message(MessageType.SERVER, ServerData(replica="r", status="live", time_ms=1, uptime=0, clients=0))


class Listener:
    """A viewer that takes `room` messages."""

    def __init__(self, room: int = 1000) -> None:
        self._room = room
        self.writes = 0
        self.heard: list[tuple[str, Any]] = []
        self.raw: list[dict[str, Any]] = []
        self.closed: CloseCode | None = None

    def send(self, data: bytes, messages: int) -> bool:
        if len(self.heard) + messages > self._room:
            return False
        raw = objects_in(data)
        assert len(raw) == messages
        self.raw += raw
        self.heard += [(message["type"], message["data"]) for message in raw]
        self.writes += 1
        return True

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    is_blocked = False

    async def room(self) -> bool:
        return True

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.heard]


class Stage:
    """A hub and the projection that it shows."""

    def __init__(self, *before: Event) -> None:
        self.metrics = Metrics()
        self.hub = Hub(self.metrics)
        self.projection = Projection()
        for event in before:
            self.projection.apply(event, 1)
        self.hub.show(self.projection)

    def happen(self, event: Event) -> None:
        self.hub.publish(self.projection.apply(event, 1))
        self.hub.flush()

    def join(self, *wanted: Wanted, room: int = 1000) -> Listener:
        listener = Listener(room)
        self.hub.join(listener, wanted or [Wanted()])
        return listener

    def sent(self, kind: str) -> float | None:
        return self.metrics.registry.get_sample_value("live_server_messages_sent_total", {"type": kind})


def test_a_viewer_gets_the_snapshot_and_then_the_tail() -> None:
    stage = Stage(events.ticker("100"))
    viewer = stage.join()
    before = len(viewer.heard)

    stage.happen(events.ticker("101"))

    assert viewer.kinds[0] == "history"
    assert [(kind, data["last"]) for kind, data in viewer.heard[before:]] == [("ticker", "101")]


def test_a_viewer_hears_of_its_own_symbol_alone() -> None:
    stage = Stage(events.ticker(), events.ticker(symbol=ETH))
    btc, eth = stage.join(Wanted("BTCUSDT")), stage.join(Wanted("ETH/USDT:USDT"))
    before = len(btc.heard)

    stage.happen(events.ticker("7", symbol=ETH))

    assert len(btc.heard) == before
    assert eth.heard[-1][1]["last"] == "7"


def test_a_viewer_hears_of_its_own_interval_alone() -> None:
    stage = Stage(events.candle(1), events.candle(1, interval="5m"))
    minute, five = stage.join(), stage.join(Wanted(interval="5m"))

    stage.happen(events.candle(5, "105", interval="5m"))

    assert "kline" not in minute.kinds
    assert five.heard[-1][1]["close"] == "105"


def test_a_message_is_counted_once_for_each_viewer() -> None:
    stage = Stage(events.ticker())
    stage.join()
    stage.join()

    stage.happen(events.position("1"))

    assert stage.sent("position") == 2


def test_what_one_moment_brings_is_one_write_in_order() -> None:
    scheduled: list[object] = []
    stage = Stage(events.ticker("100"))
    stage.hub = Hub(stage.metrics, scheduled.append)
    stage.hub.show(stage.projection)
    viewer = stage.join()
    before, writes = len(viewer.heard), viewer.writes

    for price in ("1", "2", "3"):
        stage.hub.publish(stage.projection.apply(events.ticker(price), 1))
    stage.hub.flush()

    assert [data["last"] for _, data in viewer.heard[before:]] == ["1", "2", "3"]
    assert (viewer.writes - writes, len(scheduled)) == (1, 1)


def test_what_waits_when_a_viewer_comes_is_in_its_snapshot_alone() -> None:
    stage = Stage(events.ticker("100"))
    first = stage.join()
    before = len(first.heard)
    stage.hub.publish(stage.projection.apply(events.ticker("101"), 1))

    second = stage.join()
    stage.hub.flush()

    assert [data["last"] for _, data in first.heard[before:]] == ["101"]
    assert [data["last"] for kind, data in second.heard if kind == "ticker"] == ["101"]


def test_one_write_is_bounded() -> None:
    stage = Stage(events.ticker())
    viewer = stage.join()
    writes = viewer.writes
    large = Message(MessageType.ERROR, ErrorData(error="x" * PIECE))

    stage.hub.broadcast(large)
    stage.hub.broadcast(large)
    stage.hub.flush()

    assert viewer.writes - writes == 2


def test_a_viewer_waits_while_nothing_is_known() -> None:
    stage = Stage()
    viewer = stage.join(Wanted("ETHUSDT"))
    stage.hub.broadcast(SERVER)
    stage.hub.flush()

    stage.happen(events.ticker(symbol=ETH))

    assert viewer.kinds[:2] == ["server", "history"]


def test_an_unknown_symbol_is_named_with_those_that_are_known() -> None:
    stage = Stage(events.ticker(), events.ticker(symbol=ETH))

    viewer = stage.join(Wanted("DOGEUSDT"))

    assert viewer.heard == [
        (
            "error",
            {
                "error": "there is no symbol DOGEUSDT; there is BTCUSDT, ETHUSDT",
                "known": ["BTCUSDT", "ETHUSDT"],
            },
        )
    ]
    assert viewer.closed is CloseCode.UNKNOWN_SYMBOL
    assert len(stage.hub) == 0


def test_a_viewer_that_is_too_slow_is_let_go_and_delays_nobody() -> None:
    stage = Stage(events.ticker())
    snapshot = len(stage.join().heard)
    slow, quick = stage.join(room=snapshot + 1), stage.join()

    for price in ("1", "2", "3"):
        stage.happen(events.ticker(price))

    assert len(slow.heard) == snapshot + 1
    assert [data["last"] for kind, data in quick.heard[snapshot:]] == ["1", "2", "3"]
    assert len(stage.hub) == 2


def test_everybody_starts_anew_with_another_projection() -> None:
    stage = Stage(events.ticker("100"), events.ticker(symbol=ETH))
    viewer = stage.join(Wanted("BTCUSDT"))
    before = len(viewer.heard)
    other = Projection()
    other.apply(events.ticker("50"), 1)

    stage.hub.show(other)

    assert viewer.kinds[before] == "history"
    assert [data["last"] for kind, data in viewer.heard[before:] if kind == "ticker"] == ["50"]


def test_a_viewer_waits_for_its_symbol_to_come_back() -> None:
    stage = Stage(events.ticker(), events.ticker(symbol=ETH))
    viewer = stage.join(Wanted("ETHUSDT"))
    before = len(viewer.heard)
    stage.projection = Projection()
    stage.hub.show(stage.projection)

    stage.happen(events.ticker(symbol=BTC))
    assert len(viewer.heard) == before
    stage.happen(events.ticker(symbol=ETH))

    assert viewer.closed is None
    assert viewer.kinds[before] == "history"


def last_of(viewer: Listener, start: int = 0) -> list[tuple[str, str]]:
    return [(data["symbol"], data["last"]) for kind, data in viewer.heard[start:] if kind == "ticker"]


def test_a_viewer_of_several_symbols_hears_each_once_and_in_order() -> None:
    stage = Stage(events.ticker("100"), events.ticker("7", symbol=ETH))
    viewer = stage.join(Wanted("BTCUSDT"), Wanted("ETHUSDT"), Wanted("btcusdt"))

    stage.happen(events.ticker("8", symbol=ETH))
    stage.happen(events.ticker("101"))

    assert last_of(viewer) == [("BTCUSDT", "100"), ("ETHUSDT", "7"), ("ETHUSDT", "8"), ("BTCUSDT", "101")]


def test_a_viewer_of_everything_hears_of_a_new_symbol_once() -> None:
    stage = Stage(events.ticker("100"))
    viewer = stage.join(Wanted("*"))

    stage.happen(events.ticker("7", symbol=ETH))
    stage.happen(events.ticker("8", symbol=ETH))

    assert last_of(viewer) == [("BTCUSDT", "100"), ("ETHUSDT", "7"), ("ETHUSDT", "8")]


def test_a_viewer_that_switches_gets_a_snapshot_of_what_is_new_to_it() -> None:
    stage = Stage(events.ticker("100"), events.ticker("7", symbol=ETH))
    viewer = stage.join(Wanted("BTCUSDT"))
    stage.hub.publish(stage.projection.apply(events.ticker("101"), 1))

    stage.hub.subscribe(viewer, [Wanted("ETHUSDT"), Wanted("BTCUSDT")])
    stage.happen(events.ticker("102"))
    stage.hub.subscribe(viewer, [Wanted("ETHUSDT")])
    stage.happen(events.ticker("103"))

    assert last_of(viewer) == [("BTCUSDT", "100"), ("BTCUSDT", "101"), ("ETHUSDT", "7"), ("BTCUSDT", "102")]


def test_a_viewer_that_asks_for_what_there_is_not_goes_on_as_before() -> None:
    stage = Stage(events.ticker("100"))
    viewer = stage.join()

    stage.hub.subscribe(viewer, [Wanted("DOGEUSDT")])
    stage.happen(events.ticker("101"))

    assert viewer.kinds[-2:] == ["error", "ticker"]
    assert viewer.closed is None


def test_the_second_dialect_says_which_market_and_event_a_message_is_about() -> None:
    stage = Stage(events.ticker("100"))
    viewer = Listener()
    stage.hub.join(viewer, [Wanted()], dialect=ProtocolVersion.V2)

    stage.hub.publish(
        told._replace(seq="MARKET:7") for told in stage.projection.apply(events.ticker("101"), 7)
    )
    stage.hub.flush()

    assert {key: viewer.raw[-1][key] for key in ("venue", "symbol", "seq")} == {
        "venue": "sim",
        "symbol": BTC,
        "seq": "MARKET:7",
    }
    assert {message.get("symbol") for message in viewer.raw} == {BTC, None}


async def test_the_hub_tells_when_everybody_has_left() -> None:
    stage = Stage(events.ticker())
    viewer = stage.join()

    stage.hub.close_all(CloseCode.GOING_AWAY, "stopping")
    stage.hub.leave(viewer)
    stage.hub.leave(viewer)
    await stage.hub.emptied()

    assert viewer.closed is CloseCode.GOING_AWAY
    assert stage.metrics.registry.get_sample_value("live_server_connected_clients") == 0


def test_a_blocked_viewer_is_not_handed_what_it_missed_when_the_view_changes() -> None:
    stage = Stage(events.ticker())
    fetched: list[object] = []
    stage.hub.fetch = fetched.append
    blocked, ready = Listener(), Listener()
    blocked.is_blocked = True
    for viewer in (blocked, ready):
        stage.hub.join(viewer, [Wanted()], dialect=ProtocolVersion.V2)
    before = len(blocked.heard)

    other = Projection()
    other.apply(events.ticker("50"), 1)
    stage.hub.show(other)

    assert fetched == [blocked]
    assert len(blocked.heard) == before
    assert len(ready.heard) > before


def test_what_a_returning_viewer_missed_and_the_levels_are_one_write() -> None:
    stage = Stage(events.ticker("100"))
    for stream in DURABLE:
        stage.projection.log.begin(stream, "once", 0)
    for n in range(1, 6):
        event = events.report(f"o{n}")
        stage.projection.hear("ORDERS", n, n, event, encode(event))
    viewer = Listener()

    here = {str(stream): Position("once", 3 if stream == "ORDERS" else 0) for stream in DURABLE}
    stage.hub.join(viewer, [Wanted()], dialect=ProtocolVersion.V2, positions=here)

    assert viewer.writes == 1
    assert viewer.kinds[:4] == ["resumed", "orders", "orders", "orders"]
    assert [message["seq"] for message in viewer.raw if "seq" in message] == ["ORDERS:4", "ORDERS:5"]
    assert viewer.kinds[-2:] == ["symbols", "streams"]


@pytest.mark.parametrize("dialect", [ProtocolVersion.V2, ProtocolVersion.PUBLIC_V2])
def test_the_public_is_told_how_far_the_streams_are_as_well(dialect: ProtocolVersion) -> None:
    stage = Stage(events.ticker("100"))
    for stream in DURABLE:
        stage.projection.log.begin(stream, "once", 0)
    viewer = Listener()
    stage.hub.join(viewer, [Wanted()], dialect=dialect)

    event = events.report("o1")
    stage.projection.hear("ORDERS", 1, 1, event, encode(event))
    before = viewer.kinds.count("streams")
    stage.hub.tell_streams()
    stage.hub.flush()

    assert viewer.kinds.count("streams") == before + 1


def test_what_nobody_hears_is_never_put_into_words() -> None:
    stage = Stage(events.ticker())
    stage.join()
    worded: list[str] = []

    def words() -> ErrorData:
        worded.append("said")
        return ErrorData(error="said")

    said = Later(MessageType.ERROR, words, ())
    channel = Channel(Market(events.SIM, BTC))
    stage.hub.publish([Outgoing(channel, said, reach=Reach.V2)])
    assert worded == []
    stage.hub.publish([Outgoing(channel, said, reach=Reach.PLAIN)])
    assert worded == ["said"]
