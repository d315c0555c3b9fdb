"""A service process: bus connection, health, status and metrics, over HTTP and as a NATS service."""

import asyncio
import importlib.metadata
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Never

import msgspec
import nats.errors
import nats.micro
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig
from nats.micro.service import Service as NatsService
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR

from bus.attention import Attention
from bus.client.connection import Bus, opened
from bus.client.context import BusContext
from bus.errors import BusError
from bus.log import Logger, get_logger
from bus.metrics import CONTENT_TYPE, CollectorRegistry, exposition
from bus.parts.heartbeats import Heartbeats
from bus.runtime import monotonic_s, time_s
from bus.service.address import reachable_address
from bus.service.http import Reply, serve
from bus.service.leaderless_streams import LeaderlessStreams
from bus.streams.decoding import unknown_kinds
from bus.streams.provision import provision
from schemas.units import VenueId

JSON = "application/json"
STOP_TIMEOUT_S = 1.0

Report = Callable[[], Mapping[str, object]]


class Service:
    """The process as seen from outside: its components' reports, its health and its metrics."""

    def __init__(self, name: str, bus: Bus, log: Logger, labels: Mapping[str, str]) -> None:
        self.name = name
        self.bus = bus
        self.log = log
        self.labels = dict(labels)
        self.registry = CollectorRegistry()
        self.http_address = ""
        """The address of /health, /status and /metrics; empty when the service does not serve them."""
        self.is_ready = False
        """Whether the bus is connected and provisioned."""
        self.waits_for = ""
        """What the start waits for, as a sentence for operators; empty if nothing."""
        self._reports: dict[str, Report] = {}
        self.heartbeats = Heartbeats(
            bus, name, _part_name(name, self.labels), venues=_venues(self.labels), problems=self.problems
        )
        """The heartbeats of this process, published while the service is open."""
        self.attention = Attention()
        """Notices pauses of this process."""
        self._started = monotonic_s()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, unknown_kinds):
            self.registry.register(collector)

    def report(self, component: str, report: Report) -> None:
        """Add a component to the status. A `problem` in its report makes the service's health `degraded`."""
        self._reports[component] = report

    def wait_for(self, what: str) -> None:
        """Note what the start waits for; an empty text if nothing."""
        self.waits_for = what

    def health(self) -> dict[str, object]:
        """Return status, problems, the uptime in seconds, and the time in seconds since the epoch."""
        return self._health(self._components())

    def not_ready(self) -> str | None:
        """Return why this process cannot do its work yet, or at present; None if the bus is connected and provisioned.

        Problems of single components do not count.
        """
        if not self.is_ready:
            return "the bus is not connected and provisioned yet"
        return None if self.bus.is_connected else "no connection to the bus"

    def status(self) -> dict[str, object]:
        """Return the health and the report of every component."""
        components = self._components()
        connection = (
            {"connected": self.bus.is_connected, "reconnects": self.bus.reconnects} if self.is_ready else {}
        )
        head = {"part": self.name, **self.labels, **self._health(components)}
        return {**head, "bus": connection, **components}

    def problems(self) -> list[str]:
        """Return the problems of the components and of the connection to the bus."""
        return self._problems(self._components())

    def metrics(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return exposition(self.registry)

    def _components(self) -> dict[str, Mapping[str, object]]:
        return {name: self._report_of(name, report) for name, report in self._reports.items()}

    def _report_of(self, name: str, report: Report) -> Mapping[str, object]:
        try:
            return report()
        except Exception as error:  # noqa: BLE001 - the outermost edge of a page: one failed report must not hide the others
            self.log.error("report_failed", component=name, detail=error)
            return {"problem": f"no report: {error!r}"}

    def _health(self, components: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
        problems = self._problems(components)
        status = "starting" if not self.is_ready else "degraded" if problems else "ok"
        health: dict[str, object] = {
            "status": status,
            "uptime": round(monotonic_s() - self._started, 3),
            "time": round(time_s(), 3),
        }
        return {**health, "problems": problems} if problems else health

    def _problems(self, components: Mapping[str, Mapping[str, object]]) -> list[str]:
        problems = [
            f"{name}: {report['problem']}" for name, report in components.items() if report.get("problem")
        ]
        if self.is_ready and not self.bus.is_connected:
            problems.append("no connection to the bus")
        if self.waits_for:
            problems.append(self.waits_for)
        return problems


@asynccontextmanager
async def open_service(
    name: str,
    *,
    bus: BusContext | str,
    http_port: int | None,
    http_host: str = "127.0.0.1",
    labels: Mapping[str, str] | None = None,
) -> AsyncIterator[Service]:
    """Connect and provision the bus, publish heartbeats, and serve the status over HTTP and as a NATS service.

    The HTTP pages are available while it waits for the bus. `http_port` 0 takes a free port; None serves no pages, for a
    process with its own web server.
    Raises: OSError when the port is in use; TopologyDiffers, NoSpace, Rejected.
    """
    log = get_logger(name)
    service = Service(name, Bus(bus, _connection_name(name, labels or {}), log), log, labels or {})
    async with AsyncExitStack() as stack:
        if http_port is not None:
            listening = await stack.enter_async_context(serve(_pages(service), http_host, http_port))
            service.http_address = await reachable_address(listening, service.bus.url)
        await stack.enter_async_context(opened(service.bus))
        await provision(service.bus, on_wait=service.wait_for)
        service.is_ready = True
        keeping = asyncio.create_task(_keep_provisioned(service.bus, log), name="provision")
        stack.push_async_callback(_cancel, keeping)
        repairing = asyncio.create_task(LeaderlessStreams(service.bus, log).run(), name="leaderless streams")
        stack.push_async_callback(_cancel, repairing)
        nats_service = await nats.micro.add_service(service.bus.nc, _nats_config(service))
        stack.push_async_callback(_stop, nats_service)
        await nats_service.add_endpoint(_status_endpoint(service, nats_service))
        with suppress(nats.errors.Error, TimeoutError):
            await (
                service.bus.nc.flush()
            )  # the server has the subscriptions: requests are answered from now on
        service.heartbeats.address = service.http_address or service.labels.get("http", "")
        beating = asyncio.create_task(service.heartbeats.run(), name="heartbeats")
        stack.push_async_callback(_cancel, beating)
        attending = asyncio.create_task(service.attention.run(), name="attention")
        stack.push_async_callback(_cancel, attending)
        log.info("started", http=service.heartbeats.address or "none")
        try:
            yield service
        except Exception:
            raise  # a failure, whose silence is to be noticed
        except BaseException:
            await _stop_heartbeats(service.heartbeats, beating)
            raise
        await _stop_heartbeats(service.heartbeats, beating)


async def _stop_heartbeats(heartbeats: Heartbeats, beating: "asyncio.Task[Never]") -> None:
    await _cancel(beating)
    await heartbeats.stop()


async def _keep_provisioned(bus: Bus, log: Logger) -> None:
    """Provision again after each reconnect, because memory streams are lost when their server restarts."""
    reconnected = asyncio.Event()
    bus.on_reconnect(reconnected.set)
    while True:
        await reconnected.wait()
        reconnected.clear()
        try:
            await provision(bus)
        except BusError as error:
            # Publishers get the same error, and end the process if it is permanent.
            log.error("provision_failed", detail=error)


def _pages(service: Service) -> dict[str, Callable[[], Reply]]:
    return {
        "/health": lambda: Reply(JSON, msgspec.json.encode(service.health())),
        "/ready": lambda: _ready_reply(service.not_ready()),
        "/status": lambda: Reply(JSON, msgspec.json.encode(service.status())),
        "/metrics": lambda: Reply(CONTENT_TYPE, service.metrics()),
    }


def _ready_reply(reason: str | None) -> Reply:
    if reason is None:
        return Reply(JSON, msgspec.json.encode({"ready": True}))
    body = msgspec.json.encode({"ready": False, "reason": reason})
    return Reply(JSON, body, HTTPStatus.SERVICE_UNAVAILABLE)


def _nats_config(service: Service) -> ServiceConfig:
    return ServiceConfig(
        name=service.name,
        version=importlib.metadata.version("opensqt"),
        description=f"OpenSQT {service.name}",
        metadata={"http": service.http_address, **service.labels},
    )


def _status_endpoint(service: Service, nats_service: NatsService) -> EndpointConfig:
    async def respond(request: Request) -> None:
        await request.respond(msgspec.json.encode(service.status()))

    # One subject per instance, listed by $SRV.INFO, so that each instance can be queried.
    return EndpointConfig(name="status", subject=f"status.{service.name}.{nats_service.id}", handler=respond)


async def _stop(nats_service: NatsService) -> None:
    # Stopping takes a round trip, and the server may be gone.
    with suppress(TimeoutError, nats.errors.Error):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await nats_service.stop()


def _part_name(kind: str, labels: Mapping[str, str]) -> str:
    return re.sub("[^A-Za-z0-9_-]", "-", labels.get("name") or labels.get("replica") or kind)


def _connection_name(kind: str, labels: Mapping[str, str]) -> str:
    """Return the name of the connection, by which the server's tools list it: `gateway-sim2`, `engine-host-4711`."""
    name = _part_name(kind, labels)
    return name if name.startswith(kind) else f"{kind}-{name}"


def _venues(labels: Mapping[str, str]) -> tuple[VenueId, ...]:
    return (VenueId(labels["venue"]),) if labels.get("venue") else ()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
