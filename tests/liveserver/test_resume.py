"""Resuming over real sockets and a real bus: on another replica, beyond the buffer, and with invalid cursors."""

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
from liveserver.protocol.cursors import StreamCursor
from schemas.subjects import Stream
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.resuming import CountingViewer
from tests.liveserver.watching import TIMEOUT_S, publish, serving


class Visit:
    """One connection of a viewer."""

    def __init__(self, socket: ClientConnection, viewer: CountingViewer) -> None:
        self.socket = socket
        self.viewer = viewer

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                message = self.viewer.receive(await self.socket.recv())
                if condition(message):
                    return message

    async def until_kind(self, kind: str) -> dict[str, Any]:
        return await self.until(lambda message: message["type"] == kind)

    async def until_seq(self, seq: str) -> dict[str, Any]:
        return await self.until(lambda message: message.get("seq") == seq)

    async def say(self, kind: str, **data: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "data": data}))


@asynccontextmanager
async def visit(replica: Replica, viewer: CountingViewer, query: str = "?symbol=*") -> AsyncIterator[Visit]:
    """Connect a viewer, which resumes if it has cursors."""
    address = replica.address.replace("http", "ws") + "/ws" + query
    for stream, cursor in viewer.cursors.items():
        address += f"&resume={stream}:{cursor.sequence}:{cursor.created}"
    async with connect(address, subprotocols=["opensqt.v2"], close_timeout=1) as socket:  # type: ignore[list-item]
        yield Visit(socket, viewer)


async def test_viewer_resumes_on_another_replica(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.report("a"))
    viewer = CountingViewer()
    async with serving(bus.url) as one, serving(bus.url) as two:
        async with visit(one, viewer) as first:
            await first.until_kind("symbols")
            await publish(bus, events.report("b"))
            await first.until_seq("ORDERS:2")
        await publish(bus, events.trade("t1"), events.fill("t1"), events.ticker("101"))
        last = await publish(bus, events.report("b", OrderStatus.FILLED, "1"))
        async with visit(two, viewer) as second:
            await second.until_seq(f"ORDERS:{last}")
            await publish(bus, events.grid())
            await second.until_seq("JOURNAL:1")

    assert viewer.reasons == ["first"]
    assert (viewer.of("ORDERS"), viewer.of("ENGINE"), viewer.of("JOURNAL")) == ([2, 3, 4], [1], [1])
    assert viewer.prices[-1] == "101"


async def test_replicas_send_equal_messages_for_an_event(bus: Bus) -> None:
    await publish(bus, events.ticker())
    received: list[list[dict[str, Any]]] = []
    async with (
        serving(bus.url) as one,
        serving(bus.url) as two,
        visit(one, CountingViewer()) as first,
        visit(two, CountingViewer()) as second,
    ):
        await first.until_kind("symbols")
        await second.until_kind("symbols")
        await publish(
            bus,
            events.report("a"),
            events.trade("t1"),
            events.fill("t1"),
            events.candle(1, closed=False),
            events.candle(1),
            events.risk("volume"),
            events.alert("disk"),
            events.reconciled("a"),
            events.corrected("-0.0016"),
            events.result("x"),
            *(events.grid(step=step) for step in range(5)),
            events.trade("end"),
        )
        for each in (first, second):
            durable: list[dict[str, Any]] = []
            wanted = {"ORDERS:3", "JOURNAL:5", "ENGINE:4", "ALERTS:1", "CONTROL:1", "CANDLES:1"}
            while wanted:
                message = await each.until(lambda message: message.get("seq"))
                wanted.discard(message["seq"])
                if not message["seq"].startswith(("MARKET", "ACCOUNT")):
                    durable.append(message)
            received.append(sorted(durable, key=lambda message: str(message["seq"])))

    assert received[0] == received[1]
    kinds = {message["seq"]: message["type"] for message in received[0]}
    assert kinds == {
        "ORDERS:1": "orders",
        "ORDERS:2": "trade_event",
        "ORDERS:3": "trade_event",
        "ENGINE:1": "fill",
        "ENGINE:2": "risk_alert",
        "ENGINE:3": "reconciliation",
        "ENGINE:4": "position_corrected",
        "ALERTS:1": "risk_alert",
        "CONTROL:1": "control",
        "CANDLES:1": "kline",
        **{f"JOURNAL:{n}": "grid_state" for n in range(1, 6)},
    }


async def test_events_older_than_the_buffer_are_read_from_the_bus(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveserver.view.event_log, "MAX_BUFFERED_EVENTS", 5)
    await publish(bus, events.ticker(), events.ticker(symbol=ETH))
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer, "?symbol=BTCUSDT") as first:
            await first.until_kind("symbols")
        wanted = [await publish(bus, events.report(f"o{i}")) for i in range(400) if await _other(bus, i)]
        async with visit(replica, viewer, "?symbol=BTCUSDT") as second:
            await second.until_seq(f"ORDERS:{wanted[-1]}")
            last = await publish(bus, events.report("last"))
            await second.until_seq(f"ORDERS:{last}")

    assert viewer.reasons == ["first"]
    assert viewer.of("ORDERS") == [*wanted, last]


async def _other(bus: Bus, i: int) -> bool:
    if i % 10 == 0:
        await publish(bus, events.report(f"e{i}", symbol=ETH))
    return True


async def test_cursor_beyond_the_read_limit_gets_a_snapshot(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveserver.view.event_log, "MAX_BUFFERED_EVENTS", 5)
    monkeypatch.setattr(liveserver.hub.backfill, "MAX_MESSAGES", 20)
    await publish(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
        for i in range(30):
            await publish(bus, events.report(f"o{i}"))
        async with visit(replica, viewer) as second:
            await second.until_kind("snapshot")
            await publish(bus, events.report("last"))
            await second.until_seq("ORDERS:31")

    assert viewer.reasons == ["first", "too_old"]
    assert (viewer.included["ORDERS"], viewer.of("ORDERS")) == (30, [31])


async def test_discarded_candles_require_a_snapshot(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveserver.view.event_log, "MAX_BUFFERED_EVENTS", 5)
    monkeypatch.setitem(liveserver.hub.backfill._MAX_PER_SUBJECT, "CANDLES", 20)
    await publish(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
        await publish(bus, *(events.candle(minute) for minute in range(30)))
        async with visit(replica, viewer) as second:
            await second.until_kind("snapshot")

    assert viewer.reasons == ["first", "too_old"]


async def test_recreated_stream_sends_a_snapshot_to_live_and_resuming_viewers(bus: Bus) -> None:
    await publish(bus, events.ticker(), *(events.report(f"o{i}") for i in range(5)))
    absent, live = CountingViewer(), CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, absent) as first:
            await first.until_kind("symbols")
        async with visit(replica, live) as staying:
            await staying.until_kind("symbols")
            await bus.api(f"STREAM.DELETE.{Stream.ORDERS}", {}, dict)
            await provision(bus)
            await publish(bus, events.report("new"))
            await staying.until_kind("snapshot")
            async with visit(replica, absent) as second:
                await second.until_kind("snapshot")
            await publish(bus, events.report("newer"))
            await staying.until_seq("ORDERS:2")

    assert live.reasons == ["first", "stream_recreated"]
    assert absent.reasons == ["first", "stream_recreated"]
    assert (live.included["ORDERS"], live.of("ORDERS")) == (1, [2])


async def test_unknown_cursor_gets_a_snapshot(bus: Bus) -> None:
    await publish(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
        created = viewer.cursors["ORDERS"].created
        viewer.cursors["ORDERS"] = StreamCursor(created, 1_000_000)
        async with visit(replica, viewer) as second:
            await second.until_kind("snapshot")

    assert viewer.reasons == ["first", "not_known"]


async def test_waiting_viewer_resumes_by_message(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.ticker("7", symbol=ETH))
    viewer = CountingViewer()
    async with serving(bus.url) as replica:
        async with visit(replica, viewer) as first:
            await first.until_kind("symbols")
            cursors = dict(viewer.cursors)
            last = await publish(bus, events.report("b", symbol=ETH), events.report("a"))
            await first.until_seq(f"ORDERS:{last}")  # the other report was read as well
        streams = {
            stream: {"created": cursor.created, "sequence": cursor.sequence}
            for stream, cursor in cursors.items()
        }
        fresh = CountingViewer()
        async with visit(replica, fresh, "?wait=1") as second:
            fresh.cursors = cursors
            await second.say("resume", topics=[{"symbol": "ETHUSDT"}], streams=streams)
            await second.until_kind("streams")

    assert fresh.reasons == []
    assert [kind for kind in fresh.kinds if kind != "server"][:2] == ["resumed", "orders"]
    assert (fresh.of("ORDERS"), fresh.prices) == ([last - 1], ["7"])


async def test_wildcard_viewer_gets_a_snapshot_of_a_new_symbol(bus: Bus) -> None:
    await publish(bus, events.ticker())
    viewer = CountingViewer()
    async with serving(bus.url) as replica, visit(replica, viewer) as second:
        await second.until_kind("symbols")
        await publish(bus, events.report("a", symbol=ETH))
        shown = await second.until(lambda message: message["type"] == "snapshot")
        await publish(bus, events.report("b", symbol=ETH))
        await second.until_seq("ORDERS:2")

    assert [market["symbol"] for market in shown["data"]["markets"]] == [ETH]
    assert (viewer.reasons, viewer.of("ORDERS")) == (["first", "new_symbol"], [2])
