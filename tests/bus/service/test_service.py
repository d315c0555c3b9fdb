import asyncio
import json
from typing import Any

import pytest

from bus import Bus, EmbeddedServer, Message, Service, connect, open_service
from bus.metrics import Counter
from schemas.subjects import Stream
from tests.bus.events import eventually
from tests.bus.service.test_http import ask
from tests.conftest import NewServer


async def page(here: Service | str, path: str) -> Any:
    address = here if isinstance(here, str) else here.http_address
    line, body = await ask(address, f"GET {path} HTTP/1.1\r\n\r\n".encode())
    assert line == "HTTP/1.1 200 OK"
    return json.loads(body) if path != "/metrics" else body.decode()


async def test_a_part_is_connected_and_the_bus_provisioned(new_server: NewServer) -> None:
    server = await new_server()
    async with open_service("engine", bus_url=server.url, http_port=0, labels={}) as here:
        assert here.bus.is_connected
        assert await here.bus.last_sequence(Stream.JOURNAL) == 0


async def test_a_part_tells_how_it_is(server: EmbeddedServer) -> None:
    async with open_service("engine", bus_url=server.url, http_port=0, labels={"venue": "sim"}) as here:
        here.report("actors", lambda: {"A": {"step": 12}})
        health, status = await page(here, "/health"), await page(here, "/status")

    assert health.keys() == {"status", "uptime", "time"}
    assert health["status"] == "ok"
    assert (status["part"], status["venue"], status["status"]) == ("engine", "sim", "ok")
    assert status["actors"] == {"A": {"step": 12}}
    assert status["bus"] == {"connected": True, "reconnects": 0}


async def test_a_problem_makes_a_part_degraded(server: EmbeddedServer) -> None:
    def broken() -> dict[str, object]:
        raise KeyError("gone")

    async with open_service("engine", bus_url=server.url, http_port=0, labels={}) as here:
        here.report("actors", lambda: {"problem": "fenced"})
        here.report("broken", broken)
        health = await page(here, "/health")

    assert health["status"] == "degraded"
    assert health["problems"] == ["actors: fenced", "broken: no report: KeyError('gone')"]


async def test_a_part_shows_its_metrics_and_the_processs(server: EmbeddedServer) -> None:
    async with open_service("engine", bus_url=server.url, http_port=0, labels={}) as here:
        Counter("steps", "Steps", registry=here.registry).inc()
        metrics = await page(here, "/metrics")

    assert "steps_total 1.0" in metrics
    assert "process_cpu_seconds_total" in metrics


async def test_a_part_without_pages_of_its_own_can_be_asked(server: EmbeddedServer) -> None:
    async with open_service("liveserver", bus_url=server.url, http_port=None) as here:
        assert here.http_address == ""
        assert here.health()["status"] == "ok"
        assert b"python_info" in here.metrics()


async def test_a_part_answers_as_a_nats_service(server: EmbeddedServer, bus: Bus) -> None:
    answers: asyncio.Queue[Message] = asyncio.Queue()
    inbox = bus.nc.new_inbox()
    await bus.subscribe(inbox, answers.put_nowait)
    async with open_service("engine", bus_url=server.url, http_port=0, labels={"venue": "sim"}) as here:
        await bus.publish("$SRV.INFO.engine", b"", reply=inbox)
        info = json.loads((await answers.get()).data)
        (endpoint,) = info["endpoints"]
        status = json.loads(await bus.request(endpoint["subject"], b""))

    assert info["metadata"] == {"http": here.http_address, "venue": "sim"}
    assert status["part"] == "engine"


async def test_a_part_is_starting_until_there_is_a_bus(new_server: NewServer, free_port: int) -> None:
    server = await new_server()
    await server.stop()
    entered: asyncio.Queue[Service] = asyncio.Queue()

    async def run() -> None:
        async with open_service("engine", bus_url=server.url, http_port=free_port) as here:
            entered.put_nowait(here)
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await asyncio.wait([running], timeout=0.05)
    assert (await page(f"http://127.0.0.1:{free_port}", "/health"))["status"] == "starting"
    await server.start()
    assert (await page(await entered.get(), "/health"))["status"] == "ok"
    running.cancel()
    await asyncio.wait([running])


async def test_a_part_survives_its_server(new_server: NewServer) -> None:
    server = await new_server()
    async with open_service("engine", bus_url=server.url, http_port=0) as here:
        reconnected = asyncio.Event()
        here.bus.on_reconnect(reconnected.set)
        server.kill()
        await server.wait()
        await eventually(lambda: is_degraded(here))
        assert (await page(here, "/health"))["problems"] == ["no connection to the bus"]
        await server.start()
        await reconnected.wait()
        assert (await page(here, "/health"))["status"] == "ok"

        async with connect(server.url, name="test") as bus:
            assert await bus.request("$SRV.PING.engine", b"")
            # What was in memory went with the server; the part makes it anew.
            await eventually(lambda: has_market(bus))


async def is_degraded(here: Service) -> bool:
    return here.health()["status"] == "degraded"


async def has_market(bus: Bus) -> bool:
    return "MARKET" in (await bus.api("STREAM.NAMES", {}, dict[str, Any]))["streams"]


async def test_a_part_leaves_no_task_behind(server: EmbeddedServer) -> None:
    async with open_service("engine", bus_url=server.url, http_port=0):
        pass

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_port_that_is_taken_ends_the_part(server: EmbeddedServer) -> None:
    async with open_service("a", bus_url=server.url, http_port=0) as here:
        port = int(here.http_address.rpartition(":")[2])
        with pytest.raises(OSError, match="cannot listen"):
            async with open_service("b", bus_url=server.url, http_port=port):
                raise AssertionError("listened twice")
