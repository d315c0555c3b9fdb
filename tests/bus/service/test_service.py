"""Service processes: health, status, metrics, NATS service, reconnects."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from bus import Bus, EmbeddedServer, Message, Service, connect, open_service
from bus.metrics import Counter
from schemas import subjects
from schemas.codec import decode_as
from schemas.parts import PartHeartbeat
from schemas.subjects import Stream
from tests.bus.events import eventually
from tests.bus.service.test_http import send_request
from tests.conftest import NewServer


async def page(service: Service | str, path: str) -> Any:
    address = service if isinstance(service, str) else service.http_address
    line, body = await send_request(address, f"GET {path} HTTP/1.1\r\n\r\n".encode())
    assert line == "HTTP/1.1 200 OK"
    return json.loads(body) if path != "/metrics" else body.decode()


async def test_a_service_connects_and_provisions_the_bus(new_server: NewServer) -> None:
    server = await new_server()
    async with open_service("engine", bus=server.url, http_port=0, labels={}) as service:
        assert service.bus.is_connected
        assert await service.bus.last_sequence(Stream.JOURNAL) == 0


async def test_a_service_serves_health_and_status(server: EmbeddedServer) -> None:
    async with open_service("engine", bus=server.url, http_port=0, labels={"venue": "sim"}) as service:
        service.report("actors", lambda: {"A": {"step": 12}})
        health, status = await page(service, "/health"), await page(service, "/status")

    assert health.keys() == {"status", "uptime", "time"}
    assert health["status"] == "ok"
    assert (status["part"], status["venue"], status["status"]) == ("engine", "sim", "ok")
    assert status["actors"] == {"A": {"step": 12}}
    assert status["bus"] == {"connected": True, "reconnects": 0}


async def test_a_problem_makes_a_service_degraded(server: EmbeddedServer) -> None:
    def broken() -> dict[str, object]:
        raise KeyError("gone")

    async with open_service("engine", bus=server.url, http_port=0, labels={}) as service:
        service.report("actors", lambda: {"problem": "fenced"})
        service.report("broken", broken)
        health = await page(service, "/health")

    assert health["status"] == "degraded"
    assert health["problems"] == ["actors: fenced", "broken: no report: KeyError('gone')"]


async def test_a_service_serves_its_metrics_and_those_of_the_process(server: EmbeddedServer) -> None:
    async with open_service("engine", bus=server.url, http_port=0, labels={}) as service:
        Counter("steps", "Steps", registry=service.registry).inc()
        metrics = await page(service, "/metrics")

    assert "steps_total 1.0" in metrics
    assert "process_cpu_seconds_total" in metrics


async def test_a_service_without_pages_still_has_health_and_metrics(server: EmbeddedServer) -> None:
    async with open_service("liveserver", bus=server.url, http_port=None) as service:
        assert service.http_address == ""
        assert service.health()["status"] == "ok"
        assert b"python_info" in service.metrics()


async def test_a_service_is_a_nats_service_with_a_status_endpoint(server: EmbeddedServer, bus: Bus) -> None:
    replies: asyncio.Queue[Message] = asyncio.Queue()
    inbox = bus.nc.new_inbox()
    await bus.subscribe(inbox, replies.put_nowait)
    async with open_service("engine", bus=server.url, http_port=0, labels={"venue": "sim"}) as service:
        await bus.publish("$SRV.INFO.engine", b"", reply=inbox)
        info = json.loads((await replies.get()).data)
        (endpoint,) = info["endpoints"]
        status = json.loads(await bus.request(endpoint["subject"], b""))

    assert info["metadata"] == {"http": service.http_address, "venue": "sim"}
    assert status["part"] == "engine"


async def test_a_service_is_starting_until_the_bus_is_connected(
    new_server: NewServer, free_port: int
) -> None:
    server = await new_server()
    await server.stop()
    entered: asyncio.Queue[Service] = asyncio.Queue()

    async def run() -> None:
        async with open_service("engine", bus=server.url, http_port=free_port) as service:
            entered.put_nowait(service)
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await asyncio.wait([running], timeout=0.05)
    assert (await page(f"http://127.0.0.1:{free_port}", "/health"))["status"] == "starting"
    await server.start()
    assert (await page(await entered.get(), "/health"))["status"] == "ok"
    running.cancel()
    await asyncio.wait([running])


async def test_a_service_is_ready_while_the_bus_is_connected(new_server: NewServer) -> None:
    server = await new_server()
    async with open_service("engine", bus=server.url, http_port=0) as service:
        assert await readiness(service) == ("200 OK", {"ready": True})
        server.kill()
        await server.wait()
        await eventually(lambda: is_degraded(service))

        body = {"ready": False, "reason": "no connection to the bus"}
        assert await readiness(service) == ("503 Service Unavailable", body)


async def readiness(service: Service) -> tuple[str, Any]:
    line, body = await send_request(service.http_address, b"GET /ready HTTP/1.1\r\n\r\n")
    return line.partition(" ")[2], json.loads(body)


async def test_a_service_survives_a_server_restart(new_server: NewServer) -> None:
    server = await new_server()
    async with open_service("engine", bus=server.url, http_port=0) as service:
        reconnected = asyncio.Event()
        service.bus.on_reconnect(reconnected.set)
        server.kill()
        await server.wait()
        await eventually(lambda: is_degraded(service))
        assert (await page(service, "/health"))["problems"] == ["no connection to the bus"]
        await server.start()
        await reconnected.wait()
        assert (await page(service, "/health"))["status"] == "ok"

        async with connect(server.url, name="test") as bus:
            assert await bus.request("$SRV.PING.engine", b"")
            # The memory stream was lost with the server; the service creates it again.
            await eventually(lambda: has_market(bus))


async def is_degraded(service: Service) -> bool:
    return service.health()["status"] == "degraded"


async def has_market(bus: Bus) -> bool:
    return "MARKET" in (await bus.api("STREAM.NAMES", {}, dict[str, Any]))["streams"]


async def test_a_closed_service_leaves_no_tasks(server: EmbeddedServer) -> None:
    async with open_service("engine", bus=server.url, http_port=0):
        pass

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_port_in_use_raises_an_error(server: EmbeddedServer) -> None:
    async with open_service("a", bus=server.url, http_port=0) as service:
        port = int(service.http_address.rpartition(":")[2])
        with pytest.raises(OSError, match="cannot listen"):
            async with open_service("b", bus=server.url, http_port=port):
                raise AssertionError("listened twice")


async def last_heartbeat(bus: Bus, name: str) -> PartHeartbeat:
    stored = await bus.last(Stream.PARTS, subjects.part("engine", name))
    assert stored is not None
    return decode_as(stored.data, PartHeartbeat)


async def test_a_service_publishes_heartbeats_with_its_problems(server: EmbeddedServer, bus: Bus) -> None:
    labels = {"venue": "sim", "name": "one"}
    async with open_service("engine", bus=server.url, http_port=0, labels=labels) as service:
        service.report("actors", lambda: {"problem": "fenced"})
        service.heartbeats.symbols = lambda: ["sim.BTC-USDT"]
        await eventually(lambda: is_stored(bus, "one"))
        sent = await last_heartbeat(bus, "one")

    assert (sent.venues, sent.symbols, sent.problems) == (("sim",), ("sim.BTC-USDT",), ("actors: fenced",))
    assert (sent.address, sent.is_stopping) == (service.http_address, False)


async def is_stored(bus: Bus, name: str) -> bool:
    return await bus.last(Stream.PARTS, subjects.part("engine", name)) is not None


@pytest.mark.parametrize(
    ("error", "is_stopping"), [(asyncio.CancelledError(), True), (KeyError("bug"), False)]
)
async def test_the_last_heartbeat_tells_an_orderly_end_from_a_failure(
    server: EmbeddedServer, bus: Bus, error: BaseException, is_stopping: bool
) -> None:
    with suppress(type(error)):
        async with open_service("engine", bus=server.url, http_port=None):
            await eventually(lambda: is_stored(bus, "engine"))
            raise error
    assert (await last_heartbeat(bus, "engine")).is_stopping is is_stopping
