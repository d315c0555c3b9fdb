"""The hub: snapshot, then tail; each viewer what it asked for; nobody waits for anybody."""

import json
from collections.abc import Sequence
from typing import Any

from tests.liveserver import events
from tests.liveserver.events import BTC, ETH

from liveserver.hub import CloseCode, Hub, Wanted
from liveserver.messages import Message, MessageType, ServerData
from liveserver.metrics import Metrics
from liveserver.projection import Projection
from schemas.codec import Event

FIRST = Wanted()
SERVER = Message(MessageType.SERVER, ServerData(replica="r", status="live", time_ms=1, uptime=0, clients=0))


class Listener:
    """A viewer that takes `room` frames."""

    def __init__(self, room: int = 1000) -> None:
        self._room = room
        self.frames: list[bytes] = []
        self.closed: CloseCode | None = None

    def send(self, frames: Sequence[bytes]) -> bool:
        if len(self.frames) + len(frames) > self._room:
            return False
        self.frames += frames
        return True

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    @property
    def heard(self) -> list[tuple[str, Any]]:
        messages = [json.loads(frame) for frame in self.frames]
        return [(message["type"], message["data"]) for message in messages]

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

    def join(self, wanted: Wanted = FIRST, room: int = 1000) -> Listener:
        listener = Listener(room)
        self.hub.join(listener, wanted)
        return listener

    def sent(self, kind: str) -> float | None:
        return self.metrics.registry.get_sample_value("live_server_messages_sent_total", {"type": kind})


def test_a_viewer_gets_the_snapshot_and_then_the_tail() -> None:
    stage = Stage(events.ticker("100"))
    viewer = stage.join()
    before = len(viewer.frames)

    stage.happen(events.ticker("101"))

    assert viewer.kinds[0] == "history"
    assert [(kind, data["last"]) for kind, data in viewer.heard[before:]] == [("ticker", "101")]


def test_a_viewer_hears_of_its_own_symbol_alone() -> None:
    stage = Stage(events.ticker(), events.ticker(symbol=ETH))
    btc, eth = stage.join(Wanted("BTCUSDT")), stage.join(Wanted("ETH/USDT:USDT"))
    before = len(btc.frames)

    stage.happen(events.ticker("7", symbol=ETH))

    assert len(btc.frames) == before
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


def test_a_viewer_waits_while_nothing_is_known() -> None:
    stage = Stage()
    viewer = stage.join(Wanted("ETHUSDT"))
    stage.hub.broadcast(SERVER)

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
    snapshot = len(stage.join().frames)
    slow, quick = stage.join(room=snapshot + 1), stage.join()

    for price in ("1", "2", "3"):
        stage.happen(events.ticker(price))

    assert len(slow.frames) == snapshot + 1
    assert [data["last"] for kind, data in quick.heard[snapshot:]] == ["1", "2", "3"]
    assert len(stage.hub) == 2


def test_everybody_starts_anew_with_another_projection() -> None:
    stage = Stage(events.ticker("100"), events.ticker(symbol=ETH))
    viewer = stage.join(Wanted("BTCUSDT"))
    before = len(viewer.frames)
    other = Projection()
    other.apply(events.ticker("50"), 1)

    stage.hub.show(other)

    assert viewer.kinds[before] == "history"
    assert [data["last"] for kind, data in viewer.heard[before:] if kind == "ticker"] == ["50"]


def test_a_viewer_waits_for_its_symbol_to_come_back() -> None:
    stage = Stage(events.ticker(), events.ticker(symbol=ETH))
    viewer = stage.join(Wanted("ETHUSDT"))
    before = len(viewer.frames)
    stage.projection = Projection()
    stage.hub.show(stage.projection)

    stage.happen(events.ticker(symbol=BTC))
    assert len(viewer.frames) == before
    stage.happen(events.ticker(symbol=ETH))

    assert viewer.closed is None
    assert viewer.kinds[before] == "history"


async def test_the_hub_tells_when_everybody_has_left() -> None:
    stage = Stage(events.ticker())
    viewer = stage.join()

    stage.hub.close_all(CloseCode.GOING_AWAY, "stopping")
    stage.hub.leave(viewer)
    stage.hub.leave(viewer)
    await stage.hub.emptied()

    assert viewer.closed is CloseCode.GOING_AWAY
    assert stage.metrics.registry.get_sample_value("live_server_connected_clients") == 0
