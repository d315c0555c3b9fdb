"""What viewers and monitoring are told when a part of the stack or the bus falls silent."""

import asyncio
import os
import signal
import socket
from typing import Any

import httpx

from bus import Bus, Heartbeats, Registry, connect, provision
from schemas import subjects
from schemas.units import VenueId
from tests.builders import BTC, ENTRY, SIM
from tests.conftest import NewServer
from tests.liveserver import events
from tests.liveserver.watching import publish, serving, watching

KEY = subjects.registry_key(SIM, BTC)


async def fill(bus: Bus) -> None:
    """Publish a traded symbol."""
    await Registry(bus, "symbols").create(KEY, ENTRY)
    await publish(bus, events.candle(1), events.ticker(), events.grid())


def is_silent(kind: str) -> Any:
    return lambda data: (kind, "silent") in [(part["kind"], part["state"]) for part in data["parts"]]


async def test_a_silent_gateway_is_shown_by_every_means(bus: Bus) -> None:
    await fill(bus)
    sending = asyncio.create_task(Heartbeats(bus, "gateway", "g", venues=(VenueId("sim"),)).run())
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.until("server", lambda data: "gateway" in [part["kind"] for part in data["parts"]])
        sending.cancel()
        status = await watcher.until("status", lambda data: data["blocked"])
        server = await watcher.until("server", is_silent("gateway"))
        symbols = await watcher.until("symbols", lambda data: data[0]["not_quoting"])
        async with httpx.AsyncClient(base_url=replica.address) as client:
            health = (await client.get("/health")).json()
            report = (await client.get("/api/status")).json()
            ready = await client.get("/ready")

    assert (status["blocked"], symbols[0]["not_quoting"]) == ("gateway_silent", "gateway_silent")
    assert "no order can be sent or canceled" in status["blocked_text"]
    assert (health["status"], report["problems"]) == ("degraded", health["problems"])
    assert status["blocked_text"] in health["problems"][0]
    assert server["parts"][0]["detail"] == report["parts"][0]["detail"] == status["blocked_text"]
    assert ready.json()["ready"]


async def test_problems_of_other_parts_are_not_in_the_own_heartbeats(bus: Bus) -> None:
    await fill(bus)
    sending = asyncio.create_task(Heartbeats(bus, "engine", "e").run())
    async with serving(bus.url) as replica, watching(replica) as watcher:
        await watcher.until("server", lambda data: "engine" in [part["kind"] for part in data["parts"]])
        sending.cancel()
        server = await watcher.until("server", is_silent("engine"))

        assert replica.health()["status"] == "degraded"
    assert {part["state"] for part in server["parts"] if part["kind"] == "liveserver"} == {"ok"}


async def test_a_hung_bus_is_blamed_alone_and_ends_readiness(new_server: NewServer) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus, serving(server.url) as replica:
        await provision(bus)
        await fill(bus)
        sending = asyncio.create_task(Heartbeats(bus, "gateway", "g", venues=(VenueId("sim"),)).run())
        async with watching(replica) as watcher:
            await watcher.until("symbols")
            await watcher.until("server", lambda data: "gateway" in [part["kind"] for part in data["parts"]])
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            try:
                status = await watcher.until("status", lambda data: data["blocked"])
                cut = await watcher.until("server", lambda data: data["status"] == "cut")
                not_ready = replica.not_ready()
                given = await _pause(replica.address)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            await watcher.until("status", lambda data: not data["blocked"])
            live = await watcher.until("server", lambda data: data["status"] == "live")
        sending.cancel()

    assert (status["blocked"], not_ready, given["error"]) == (
        "bus_silent",
        "the bus does not answer",
        "no_bus",
    )
    assert [part["kind"] for part in cut["parts"]] == ["bus"]
    assert {part["state"] for part in live["parts"]} == {"ok"}


async def _pause(address: str) -> Any:
    async with httpx.AsyncClient(base_url=address, timeout=20) as client:
        return (await client.post("/api/control", json={"command": "pause", "symbol": "BTCUSDT"})).json()


async def test_a_removed_symbol_leaves_the_list_of_its_viewers(bus: Bus) -> None:
    await fill(bus)
    await publish(bus, events.ticker(symbol=events.ETH))
    async with serving(bus.url) as replica, watching(replica, "?symbol=BTCUSDT") as watcher:
        await watcher.until("symbols", lambda data: len(data) == 2 and data[0]["is_traded"])
        found = await Registry(bus, "symbols").get(KEY)
        assert found is not None
        await Registry(bus, "symbols").delete(KEY, found.revision)
        removed = await watcher.until("symbols", lambda data: not data[0]["is_traded"])
        left = await watcher.until("symbols", lambda data: len(data) == 1)

    assert {each["symbol"]: each["feed"] for each in removed}["BTCUSDT"] == "down"
    assert [each["symbol"] for each in left] == ["ETHUSDT"]


async def test_live_servers_of_several_machines_have_different_names(bus: Bus) -> None:
    await fill(bus)
    async with serving(bus.url) as replica, watching(replica) as watcher:
        server = await watcher.until("server", lambda data: data["parts"])

    assert [part["name"] for part in server["parts"] if part["kind"] == "liveserver"] == [
        f"{socket.gethostname()}-{replica.address.rpartition(':')[2]}"
    ]
