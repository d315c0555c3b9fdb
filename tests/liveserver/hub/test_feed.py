"""The feed: a live server without a bus, with a bus that is killed, and with recreated streams."""

import socket
from pathlib import Path

from msgspec.structs import replace

from bus import Bus, EmbeddedServer, connect, provision
from schemas import earlier_subjects, subjects
from schemas.subjects import Stream
from tests.builders import BTC, SIM
from tests.conftest import NewServer
from tests.liveserver import events
from tests.liveserver.watching import publish, serving, watching


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_server_starts_without_bus_and_sends_data_once_connected(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=_free_port())
    try:
        async with serving(f"nats://127.0.0.1:{server.port}") as replica, watching(replica) as watcher:
            assert (await watcher.until("server"))["status"] == "waiting"

            await server.start()
            async with connect(server.url, name="test") as bus:
                await provision(bus)
                await publish(bus, events.candle(1), events.ticker("100"))
                await watcher.until("history")
                await publish(bus, events.ticker("101"))
                await watcher.until("ticker", lambda data: data["last"] == "101")
            assert replica.state == "live"
    finally:
        await server.stop()


async def test_feed_survives_a_bus_restart(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus, serving(server.url) as replica:
        await provision(bus)
        await publish(bus, events.candle(1), events.ticker("100"), events.report("a"))
        async with watching(replica) as watcher:
            await watcher.until("history")
            server.kill()
            await server.wait()
            await watcher.until("server", lambda data: data["status"] == "cut")
            await server.start()
            await bus.wait_connected()
            await provision(bus)
            await publish(bus, events.ticker("101"), events.report("b"))

            seen: set[str] = set()
            while not seen >= {"ticker 101", "order b", "live"}:
                kind, data = await watcher.next()
                match kind:
                    case "ticker":
                        seen.add(f"ticker {data['last']}")
                    case "orders":
                        seen |= {
                            f"order {order['id']}" for order in (data if isinstance(data, list) else [data])
                        }
                    case "server":
                        seen.add(data["status"])


async def test_recreated_stream_recreates_the_view(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus, serving(server.url) as replica:
        await provision(bus)
        await publish(bus, events.ticker(), events.report("a"))
        async with watching(replica) as watcher:
            await watcher.until("orders")
            await bus.api(f"STREAM.DELETE.{Stream.ORDERS}", {}, dict)
            await provision(bus)
            await publish(bus, events.report("b"))
            await watcher.until("history")

            orders = await watcher.until("orders")
    assert [order["id"] for order in orders] == ["b"]


async def test_undecodable_message_is_counted_and_skipped(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus, serving(server.url) as replica:
        await provision(bus)
        await bus.publish("market.sim.BTC-USDT.ticker", b"{}")
        await publish(bus, events.ticker("100"))
        async with watching(replica) as watcher:
            await watcher.until("history")
        count = replica.metrics.registry.get_sample_value("live_server_undecodable_total")
    assert count == 1


async def test_deeply_nested_messages_on_any_subject_do_not_stop_the_server(bus: Bus) -> None:
    deep = b'{"type":"AlertRaised","a":' + b"[" * 2000 + b"]" * 2000 + b"}"
    poisoned = [
        *("market.sim.BTC-USDT.ticker", "market.sim.BTC-USDT.feed", "market.sim.BTC-USDT.candle.1m"),
        *("account.sim.BTC-USDT.orders", "account.sim.BTC-USDT.position", "account.sim.balance.USDT"),
        *("order.sim.BTC-USDT.report", "order.sim.BTC-USDT.trade", "engine.sim.BTC-USDT.fill"),
        *("alert.sim.BTC-USDT", "journal.sim.BTC-USDT.step", "control.sim.BTC-USDT.result"),
        "part.engine.engine-1",
    ]
    for subject in poisoned:
        await bus.publish(subject, deep)
    await publish(bus, events.ticker("100"))

    async with serving(bus.url) as replica, watching(replica) as watcher:
        assert (await watcher.until("ticker"))["last"] == "100"


async def test_a_grid_that_needs_a_newer_program_is_a_problem_of_its_symbol(bus: Bus) -> None:
    await publish(bus, events.ticker(), replace(events.grid(), minimum_reader=99))
    async with serving(bus.url) as replica, watching(replica) as watcher:
        status = await watcher.until("status", lambda data: data["problem"])

        assert replica.health()["status"] == "degraded"
    assert status["problem"].startswith("this grid of sim BTC/USDT:USDT was written by a newer version")


async def test_alerts_of_version_1_are_shown_beside_those_of_other_parts(bus: Bus) -> None:
    old = events.alert("old")
    await bus.store(earlier_subjects.earlier_alert(old.venue, old.symbol), old)
    await publish(bus, events.ticker(), replace(events.alert("new"), incident="x"))
    async with serving(bus.url) as replica, watching(replica) as watcher:
        codes = {(await watcher.until("risk_alert"))["reason"] for _ in range(2)}

    assert codes == {"old", "new"}


async def test_messages_of_an_unknown_type_are_skipped(bus: Bus) -> None:
    await bus.publish(subjects.fill(SIM, BTC), b'{"type":"AddedLater"}')
    await publish(bus, events.ticker(), events.alert("later"))
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.until("risk_alert")

        assert replica.projection is not None
        assert replica.projection.log.cursors["ENGINE"].sequence == 1
        assert b'bus_unknown_kinds_total{kind="AddedLater"}' in replica.exposition()
