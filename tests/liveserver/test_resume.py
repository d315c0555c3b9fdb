"""Resuming over real sockets and a real bus: on another replica, beyond what it keeps, and when nothing fits any more."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

import liveserver.hub.backfill
import liveserver.view.event_log
from bus import Bus, provision
from liveserver.hub.replica import Replica
from liveserver.protocol.cursors import Position
from schemas.subjects import Stream
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.resuming import CountingViewer
from tests.liveserver.watching import PATIENCE_S, say, serving


class Visit:
    """One connection of a viewer that returns."""

    def __init__(self, socket: ClientConnection, viewer: CountingViewer) -> None:
        self.socket = socket
        self.viewer = viewer

    async def until(self, is_it: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = self.viewer.receive(await self.socket.recv())
                if is_it(message):
                    return message

    async def until_kind(self, kind: str) -> dict[str, Any]:
        return await self.until(lambda message: message["type"] == kind)

    async def until_seq(self, seq: str) -> dict[str, Any]:
        return await self.until(lambda message: message.get("seq") == seq)

    async def say(self, kind: str, **data: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "data": data}))


@asynccontextmanager
async def visit(replica: Replica, viewer: CountingViewer, query: str = "?symbol=*") -> AsyncIterator[Visit]:
    """Connect a viewer, as one that returns if it was somewhere before."""
    address = replica.address.replace("http", "ws") + "/ws" + query
    for stream, at in viewer.positions.items():
        address += f"&resume={stream}:{at.sequence}:{at.created}"
    async with connect(address, subprotocols=["opensqt.v2"], close_timeout=1) as socket:  # type: ignore[list-item]
        yield Visit(socket, viewer)


async def test_a_viewer_goes_on_at_another_replica(bus: Bus) -> None:
    await say(bus, events.ticker(), events.report("a"))
    viewer = CountingViewer()
    async with serving(bus.url) as one, serving(bus.url) as two:
        async with visit(one, viewer) as first:
            await first.until_kind("symbols")
            await say(bus, events.report("b"))
            await first.until_seq("ORDERS:2")
        await say(bus, events.trade("t1"), events.fill("t1"), events.ticker("101"))
        last = await say(bus, events.report("b", OrderStatus.FILLED, "1"))
        async with visit(two, viewer) as second:
            await second.until_seq(f"ORDERS:{last}")
            await say(bus, events.grid())
            await second.until_seq("JOURNAL:1")

    assert viewer.reasons == ["first"]
    assert (viewer.of("ORDERS"), viewer.of("ENGINE"), viewer.of("JOURNAL")) == ([2, 3, 4], [1], [1])
    assert viewer.prices[-1] == "101"


async def test_every_replica_says_the_same_of_the_same_event(bus: Bus) -> None:
    await say(bus, events.ticker())
    heard: list[list[dict[str, Any]]] = []
    async with (
        serving(bus.url) as one,
        serving(bus.url) as two,
        visit(one, CountingViewer()) as here,
        visit(two, CountingViewer()) as there,
    ):
        await here.until_kind("symbols")
        await there.until_kind("symbols")
        await say(
            bus,
            events.report("a"),
            events.trade("t1"),
            events.fill("t1"),
            events.candle(1, closed=False),
            events.candle(1),
            events.risk("volume"),
            events.alert("look"),
            events.reconciled("a"),
            events.result("x"),
            *(events.grid(step=step) for step in range(5)),
            events.trade("end"),
        )
        for each in (here, there):
            told: list[dict[str, Any]] = []
            wanted = {"ORDERS:3", "JOURNAL:5", "ENGINE:4", "CONTROL:1", "CANDLES:1"}
            while wanted:
                message = await each.until(lambda message: message.get("seq"))
                wanted.discard(message["seq"])
                if not message["seq"].startswith(("MARKET", "ACCOUNT")):
                    told.append(message)
            heard.append(sorted(told, key=lambda message: str(message["seq"])))

    assert heard[0] == heard[1]
    kinds = {message["seq"]: message["type"] for message in heard[0]}
    assert kinds == {
        "ORDERS:1": "orders",
        "ORDERS:2": "trade_event",
        "ORDERS:3": "trade_event",
        "ENGINE:1": "fill",
        "ENGINE:2": "risk_alert",
        "ENGINE:3": "risk_alert",
        "ENGINE:4": "reconciliation",
        "CONTROL:1": "control",
        "CANDLES:1": "kline",
        **{f"JOURNAL:{n}": "grid_state" for n in range(1, 6)},
    }


async def test_what_the_replica_does_not_keep_is_read_from_the_bus(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveserver.view.event_log, "RING_EVENTS", 5)
    await say(bus, events.ticker(), events.ticker(symbol=ETH))
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer, "?symbol=BTCUSDT") as first:
            await first.until_kind("symbols")
        wanted = [await say(bus, events.report(f"o{i}")) for i in range(400) if await _other(bus, i)]
        async with visit(replica, viewer, "?symbol=BTCUSDT") as second:
            await second.until_seq(f"ORDERS:{wanted[-1]}")
            last = await say(bus, events.report("last"))
            await second.until_seq(f"ORDERS:{last}")

    assert viewer.reasons == ["first"]
    assert viewer.of("ORDERS") == [*wanted, last]


async def _other(bus: Bus, i: int) -> bool:
    if i % 10 == 0:
        await say(bus, events.report(f"e{i}", symbol=ETH))
    return True


async def test_who_was_away_for_too_long_gets_a_snapshot_that_says_so(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveserver.view.event_log, "RING_EVENTS", 5)
    monkeypatch.setattr(liveserver.hub.backfill, "READ_LIMIT", 20)
    await say(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
        for i in range(30):
            await say(bus, events.report(f"o{i}"))
        async with visit(replica, viewer) as second:
            await second.until_kind("snapshot")
            await say(bus, events.report("last"))
            await second.until_seq("ORDERS:31")

    assert viewer.reasons == ["first", "too_old"]
    assert (viewer.included["ORDERS"], viewer.of("ORDERS")) == (30, [31])


async def test_candles_that_are_no_longer_kept_are_not_passed_over_in_silence(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveserver.view.event_log, "RING_EVENTS", 5)
    monkeypatch.setitem(liveserver.hub.backfill._KEPT_PER_SUBJECT, "CANDLES", 20)
    await say(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
        await say(bus, *(events.candle(minute) for minute in range(30)))
        async with visit(replica, viewer) as second:
            await second.until_kind("snapshot")

    assert viewer.reasons == ["first", "too_old"]


async def test_a_stream_made_anew_is_recognised_by_who_watches_and_by_who_returns(bus: Bus) -> None:
    await say(bus, events.ticker(), *(events.report(f"o{i}") for i in range(5)))
    away, there = CountingViewer(), CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, away) as first:
            await first.until_kind("symbols")
        async with visit(replica, there) as staying:
            await staying.until_kind("symbols")
            await bus.api(f"STREAM.DELETE.{Stream.ORDERS}", {}, dict)
            await provision(bus)
            await say(bus, events.report("new"))
            await staying.until_kind("snapshot")
            async with visit(replica, away) as second:
                await second.until_kind("snapshot")
            await say(bus, events.report("newer"))
            await staying.until_seq("ORDERS:2")

    assert there.reasons == ["first", "stream_recreated"]
    assert away.reasons == ["first", "stream_recreated"]
    assert (there.included["ORDERS"], there.of("ORDERS")) == (1, [2])


async def test_a_position_from_nowhere_is_answered_by_a_snapshot(bus: Bus) -> None:
    await say(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
        created = viewer.positions["ORDERS"].created
        viewer.positions["ORDERS"] = Position(created, 1_000_000)
        async with visit(replica, viewer) as second:
            await second.until_kind("snapshot")

    assert viewer.reasons == ["first", "not_known"]


async def test_a_viewer_waits_for_its_first_word_and_resumes_by_a_message(bus: Bus) -> None:
    await say(bus, events.ticker(), events.ticker("7", symbol=ETH))
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
            positions = dict(viewer.positions)
            last = await say(bus, events.report("b", symbol=ETH), events.report("a"))
            await first.until_seq(f"ORDERS:{last}")  # so that the other was read as well
        streams = {
            stream: {"created": at.created, "sequence": at.sequence} for stream, at in positions.items()
        }
        fresh = CountingViewer()
        async with visit(replica, fresh, "?wait=1") as second:
            fresh.positions = positions
            await second.say("resume", topics=[{"symbol": "ETHUSDT"}], streams=streams)
            await second.until_kind("streams")

    assert fresh.reasons == []
    assert [kind for kind in fresh.kinds if kind != "server"][:2] == ["resumed", "orders"]
    assert (fresh.of("ORDERS"), fresh.prices) == ([last - 1], ["7"])


async def test_a_new_symbol_is_told_to_who_watches_all_of_them(bus: Bus) -> None:
    await say(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica, visit(replica, viewer) as there:
        await there.until_kind("symbols")
        await say(bus, events.report("a", symbol=ETH))
        shown = await there.until(lambda message: message["type"] == "snapshot")
        await say(bus, events.report("b", symbol=ETH))
        await there.until_seq("ORDERS:2")

    assert [market["symbol"] for market in shown["data"]["markets"]] == [ETH]
    assert (viewer.reasons, viewer.of("ORDERS")) == (["first", "new_symbol"], [2])
