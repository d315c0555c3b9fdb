"""A live server and a real bus, observed from a WebSocket."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
import uvloop
from websockets.exceptions import InvalidStatus

from bus import Bus
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ErrorData
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.watching import publish, serving, watching

LARGE = Message(MessageType.ERROR, ErrorData(error="x" * 50_000))


async def test_snapshot_precedes_live_events(bus: Bus) -> None:
    includes = await publish(bus, events.report("a"))
    await publish(
        bus,
        events.candle(1),
        events.sweep(events.open_order("a"), includes=includes),
        events.position("1"),
        events.balance(),
        events.grid(),
        events.ticker("100"),
    )
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.until("symbols")
        await publish(bus, events.ticker("101"), events.candle(2, "102"), events.report("b", price="98"))

        assert (await watcher.until("ticker"))["last"] == "101"
        assert (await watcher.until("orders"))["id"] == "b"

    kinds = [kind for kind, _ in watcher.messages if kind != "server"]
    assert kinds[:6] == ["history", "orders", "position", "account", "grid_state", "risk_status"]
    assert [data[0]["close"] for kind, data in watcher.messages if kind == "history"] == ["100"]


async def test_every_live_event_is_received_once(bus: Bus) -> None:
    await publish(bus, events.ticker())
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.until("symbols")
        await publish(
            bus,
            *(events.trade(f"t{i}", second=i) for i in range(50)),
            *(events.fill(f"t{i}", second=i) for i in range(50)),
            events.trade("last", second=99),
        )
        await watcher.until("trade_event", lambda data: data["trade_id"] == "last")

    received = [data["trade_id"] for kind, data in watcher.messages if kind == "trade_event"]
    assert sorted(received) == sorted([*(f"t{i}" for i in range(50)), "last"])


async def test_order_that_ended_before_the_connection_is_not_open(bus: Bus) -> None:
    includes = await publish(bus, events.report("a"), events.report("b"))
    await publish(bus, events.sweep(events.open_order("a"), events.open_order("b"), includes=includes))
    await publish(bus, events.report("a", OrderStatus.FILLED, "1"))

    async with serving(bus.url) as replica, watching(replica) as watcher:
        orders = await watcher.until("orders")

    assert [order["id"] for order in orders] == ["b"]


@pytest.mark.parametrize(
    "query", ["?symbol=ETHUSDT", "?symbol=ETH%2FUSDT%3AUSDT", "?symbol=ethusdt&venue=sim"]
)
async def test_symbol_is_found_by_short_name_and_by_ccxt_symbol(bus: Bus, query: str) -> None:
    await publish(bus, events.ticker(), events.ticker("7", symbol=ETH))

    async with serving(bus.url) as replica, watching(replica, query) as watcher:
        data = await watcher.until("ticker")

    assert (data["symbol"], data["market"], data["last"]) == ("ETHUSDT", ETH, "7")


async def test_unknown_symbol_closes_the_connection_with_the_known_symbols(bus: Bus) -> None:
    await publish(bus, events.ticker())
    async with serving(bus.url) as replica:
        async with watching(replica) as other:
            await other.until("symbols")
        async with watching(replica, "?symbol=DOGEUSDT") as watcher:
            code = await watcher.wait_closed()

    assert code == 4404
    assert watcher.messages[-1][1]["known"] == ["BTCUSDT"]


async def test_replicas_send_the_same_messages(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.candle(1), events.report("a"), events.grid())
    async with (
        serving(bus.url) as one,
        serving(bus.url) as two,
        watching(one) as first,
        watching(two) as second,
    ):
        await first.until("symbols")
        await second.until("symbols")

    for _, data in (*first.messages, *second.messages):
        if isinstance(data, dict):
            data.pop("age_ms", None)  # by the clock of each replica
    messages = [[each for each in watcher.messages if each[0] != "server"] for watcher in (first, second)]
    assert messages[0] == messages[1]
    assert one.name != two.name


async def test_shutdown_closes_connections_promptly(bus: Bus) -> None:
    await publish(bus, events.ticker())
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(serving(bus.url))
        async with watching(replica) as watcher:
            await watcher.until("symbols")
            closing = asyncio.create_task(watcher.wait_closed())
            began = time.monotonic()
            await stack.aclose()

            assert await closing == 1001
            assert time.monotonic() - began < 2


async def test_slow_viewer_is_disconnected_without_delaying_others(bus: Bus) -> None:
    await publish(bus, events.ticker())
    async with serving(bus.url) as replica:
        async with watching(replica, max_queue=1) as slow, watching(replica) as quick:
            await quick.until("symbols")
            while len(replica.hub) == 2:
                replica.hub.broadcast(LARGE)
                await quick.until("error")
            replica.hub.broadcast(Message(MessageType.ERROR, ErrorData(error="after")))
            await quick.until("error", lambda data: data["error"] == "after")

            assert await slow.wait_closed() == 4408
        dropped = replica.metrics.registry.get_sample_value("live_server_dropped_clients_total")
    assert dropped == 1


async def test_foreign_origin_is_rejected(bus: Bus) -> None:
    async with serving(bus.url) as replica:
        for origin in ("https://evil.example", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                async with watching(replica, origin=origin):
                    pass
        async with watching(replica, origin=replica.address) as own:
            await own.until("server")


async def test_page_from_disk_may_connect_when_allowed(bus: Bus) -> None:
    async with (
        serving(bus.url, allowed_origins=frozenset({"null"})) as replica,
        watching(replica, origin="null") as from_disk,
    ):
        await from_disk.until("server")


async def test_viewer_switches_symbols_by_a_message(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.ticker("7", symbol=ETH))
    async with serving(bus.url) as replica, watching(replica, subprotocols=["opensqt.v2"]) as watcher:
        await watcher.until("symbols")
        await watcher.socket.send('{"type":"subscribe","data":{"topics":[{"symbol":"ETHUSDT"}]}}')

        assert (await watcher.until("ticker", lambda data: data["market"] == ETH))["last"] == "7"


async def test_too_long_message_ends_the_connection(bus: Bus) -> None:
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.socket.send("x" * 10_000)

        assert await watcher.wait_closed() == 1009


def test_server_runs_on_uvloop() -> None:
    async def first_status() -> str:
        async with serving("nats://127.0.0.1:1") as replica, watching(replica) as watcher:
            return str((await watcher.until("server"))["status"])

    assert uvloop.run(first_status()) == "waiting"
