"""A live server and a real bus, seen from a socket."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
import uvloop
from websockets.exceptions import InvalidStatus

from bus import Bus
from liveserver.protocol.server_messages import ErrorData, Message, MessageType
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.watching import say, serving, watching

LARGE = Message(MessageType.ERROR, ErrorData(error="x" * 50_000))


async def test_what_is_known_comes_first_and_then_what_happens(bus: Bus) -> None:
    includes = await say(bus, events.report("a"))
    await say(
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
        await say(bus, events.ticker("101"), events.candle(2, "102"), events.report("b", price="98"))

        assert (await watcher.until("ticker"))["last"] == "101"
        assert (await watcher.until("orders"))["id"] == "b"

    kinds = [kind for kind, _ in watcher.heard if kind != "server"]
    assert kinds[:6] == ["history", "orders", "position", "account", "grid_state", "risk_status"]
    assert [data[0]["close"] for kind, data in watcher.heard if kind == "history"] == ["100"]


async def test_every_event_of_the_tail_reaches_the_viewer_once(bus: Bus) -> None:
    await say(bus, events.ticker())
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.until("symbols")
        await say(
            bus,
            *(events.trade(f"t{i}", second=i) for i in range(50)),
            *(events.fill(f"t{i}", second=i) for i in range(50)),
            events.trade("last", second=99),
        )
        await watcher.until("trade_event", lambda data: data["trade_id"] == "last")

    told = [data["trade_id"] for kind, data in watcher.heard if kind == "trade_event"]
    assert sorted(told) == sorted([*(f"t{i}" for i in range(50)), "last"])


async def test_an_order_that_ended_before_the_viewer_came_is_not_open(bus: Bus) -> None:
    includes = await say(bus, events.report("a"), events.report("b"))
    await say(bus, events.sweep(events.open_order("a"), events.open_order("b"), includes=includes))
    await say(bus, events.report("a", OrderStatus.FILLED, "1"))

    async with serving(bus.url) as replica, watching(replica) as watcher:
        orders = await watcher.until("orders")

    assert [order["id"] for order in orders] == ["b"]


@pytest.mark.parametrize(
    "query", ["?symbol=ETHUSDT", "?symbol=ETH%2FUSDT%3AUSDT", "?symbol=ethusdt&venue=sim"]
)
async def test_a_symbol_goes_by_its_name_and_by_its_ccxt_symbol(bus: Bus, query: str) -> None:
    await say(bus, events.ticker(), events.ticker("7", symbol=ETH))

    async with serving(bus.url) as replica, watching(replica, query) as watcher:
        data = await watcher.until("ticker")

    assert (data["symbol"], data["market"], data["last"]) == ("ETHUSDT", ETH, "7")


async def test_an_unknown_symbol_ends_with_an_error_that_lists_the_known_ones(bus: Bus) -> None:
    await say(bus, events.ticker())
    async with serving(bus.url) as replica:
        async with watching(replica) as other:
            await other.until("symbols")
        async with watching(replica, "?symbol=DOGEUSDT") as watcher:
            code = await watcher.closing()

    assert code == 4404
    assert watcher.heard[-1][1]["known"] == ["BTCUSDT"]


async def test_several_replicas_show_the_same(bus: Bus) -> None:
    await say(bus, events.ticker(), events.candle(1), events.report("a"), events.grid())
    async with (
        serving(bus.url) as one,
        serving(bus.url) as two,
        watching(one) as here,
        watching(two) as there,
    ):
        await here.until("symbols")
        await there.until("symbols")

    shown = [[told for told in watcher.heard if told[0] != "server"] for watcher in (here, there)]
    assert shown[0] == shown[1]
    assert one.name != two.name


async def test_viewers_are_told_that_the_server_goes_and_it_goes_at_once(bus: Bus) -> None:
    await say(bus, events.ticker())
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(serving(bus.url))
        async with watching(replica) as watcher:
            await watcher.until("symbols")
            closing = asyncio.create_task(watcher.closing())
            began = time.monotonic()
            await stack.aclose()

            assert await closing == 1001
            assert time.monotonic() - began < 2


async def test_a_viewer_that_does_not_read_is_cut_off_and_delays_nobody(bus: Bus) -> None:
    await say(bus, events.ticker())
    async with serving(bus.url) as replica:
        async with watching(replica, max_queue=1) as slow, watching(replica) as quick:
            await quick.until("symbols")
            while len(replica.hub) == 2:
                replica.hub.broadcast(LARGE)
                await quick.until("error")
            replica.hub.broadcast(Message(MessageType.ERROR, ErrorData(error="after")))
            await quick.until("error", lambda data: data["error"] == "after")

            assert await slow.closing() == 4408
        dropped = replica.metrics.registry.get_sample_value("live_server_dropped_clients_total")
    assert dropped == 1


async def test_another_websites_page_may_not_connect(bus: Bus) -> None:
    async with serving(bus.url) as replica:
        for origin in ("https://evil.example", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                async with watching(replica, origin=origin):
                    pass
        async with watching(replica, origin=replica.address) as own:
            await own.until("server")


async def test_a_page_from_disk_may_connect_where_that_was_asked_for(bus: Bus) -> None:
    async with (
        serving(bus.url, allowed_origins=frozenset({"null"})) as replica,
        watching(replica, origin="null") as from_disk,
    ):
        await from_disk.until("server")


async def test_a_viewer_switches_symbols_by_a_message(bus: Bus) -> None:
    await say(bus, events.ticker(), events.ticker("7", symbol=ETH))
    async with serving(bus.url) as replica, watching(replica, subprotocols=["opensqt.v2"]) as watcher:
        await watcher.until("symbols")
        await watcher.socket.send('{"type":"subscribe","data":{"topics":[{"symbol":"ETHUSDT"}]}}')

        assert (await watcher.until("ticker", lambda data: data["market"] == ETH))["last"] == "7"


async def test_a_long_message_ends_the_connection(bus: Bus) -> None:
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.socket.send("x" * 10_000)

        assert await watcher.closing() == 1009


def test_it_runs_on_the_loop_that_processes_run_on() -> None:
    async def greet() -> str:
        async with serving("nats://127.0.0.1:1") as replica, watching(replica) as watcher:
            return str((await watcher.until("server"))["status"])

    assert uvloop.run(greet()) == "waiting"
