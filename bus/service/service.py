"""A part: one process on the bus, which says whether it is well, what it does and what it counts."""

import asyncio
import importlib.metadata
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec
import nats.errors
import nats.micro
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig
from nats.micro.service import Service as NatsService
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR

from bus.client.connection import Bus, connect
from bus.errors import BusError
from bus.log import Logger, get_logger
from bus.metrics import CONTENT_TYPE, CollectorRegistry, exposition
from bus.service.http import Reply, serve
from bus.streams.provision import provision

JSON = "application/json"
STOP_WITHIN_S = 1.0

Report = Callable[[], Mapping[str, object]]


class Service:
    """What a process shows of itself."""

    def __init__(self, name: str, log: Logger, labels: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self.labels = dict(labels)
        self.registry = CollectorRegistry()
        self.http_address = ""
        """Where /health, /status and /metrics are; empty when it serves none of its own."""
        self._bus: Bus | None = None
        self._reports: dict[str, Report] = {}
        self._started = time.monotonic()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            self.registry.register(collector)

    @property
    def bus(self) -> Bus:
        assert self._bus is not None, "there is no bus before the part has entered"
        return self._bus

    def report(self, component: str, report: Report) -> None:
        """Show a component in the status. A `problem` in what it says makes the part's health `degraded`."""
        self._reports[component] = report

    def health(self) -> dict[str, object]:
        """Return whether all is well, the uptime in seconds, and the time in seconds since the epoch."""
        return self._health(self._components())

    def status(self) -> dict[str, object]:
        """Return health and what every component says."""
        components = self._components()
        bus = self._bus
        connection = {"connected": bus.is_connected, "reconnects": bus.reconnects} if bus else {}
        head = {"part": self.name, **self.labels, **self._health(components)}
        return {**head, "bus": connection, **components}

    def metrics(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        return exposition(self.registry)

    def joined(self, bus: Bus) -> None:
        """Go on with a connection to the bus."""
        self._bus = bus

    def _components(self) -> dict[str, Mapping[str, object]]:
        return {name: self._said(name, report) for name, report in self._reports.items()}

    def _said(self, name: str, report: Report) -> Mapping[str, object]:
        try:
            return report()
        except Exception as error:  # noqa: BLE001 - a page is an outermost edge: one component must not hide the rest
            self.log.error("report_failed", component=name, detail=error)
            return {"problem": f"no report: {error!r}"}

    def _health(self, components: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
        problems = [f"{name}: {said['problem']}" for name, said in components.items() if said.get("problem")]
        if self._bus is not None and not self._bus.is_connected:
            problems.append("no connection to the bus")
        status = "starting" if self._bus is None else "degraded" if problems else "ok"
        health: dict[str, object] = {
            "status": status,
            "uptime": round(time.monotonic() - self._started, 3),
            "time": round(time.time(), 3),
        }
        return {**health, "problems": problems} if problems else health


@asynccontextmanager
async def open_service(
    name: str,
    *,
    bus_url: str,
    http_port: int | None,
    http_host: str = "127.0.0.1",
    labels: Mapping[str, str] | None = None,
) -> AsyncIterator[Service]:
    """Take part in the bus: connected, provisioned, answering for itself over HTTP and as a NATS service.

    Waits for the bus as long as it takes; the pages are there from the start. `http_port` 0 takes a free one; None
    serves nothing, for a part that has a web server of its own.
    Raises: OSError when the port is taken; TopologyDiffers, NoSpace, Refused.
    """
    here = Service(name, get_logger(name), labels or {})
    async with AsyncExitStack() as stack:
        if http_port is not None:
            here.http_address = await stack.enter_async_context(serve(_pages(here), http_host, http_port))
        bus = await stack.enter_async_context(connect(bus_url, name=name, log=here.log))
        await provision(bus)
        here.joined(bus)
        keeping = asyncio.create_task(_keep_provisioned(bus, here.log), name="provision")
        stack.push_async_callback(_cancel, keeping)
        service = await nats.micro.add_service(bus.nc, _service(here))
        stack.push_async_callback(_stop, service)
        await service.add_endpoint(_status_endpoint(here, service))
        here.log.info("started", http=here.http_address or "none")
        yield here


async def _keep_provisioned(bus: Bus, log: Logger) -> None:
    """Make what is missing after each reconnect: streams in memory go with their server."""
    reconnected = asyncio.Event()
    bus.on_reconnect(reconnected.set)
    while True:
        await reconnected.wait()
        reconnected.clear()
        try:
            await provision(bus)
        except BusError as error:
            # The publishers meet it as well, and end if it does not pass.
            log.error("not_provisioned", detail=error)


def _pages(here: Service) -> dict[str, Callable[[], Reply]]:
    return {
        "/health": lambda: Reply(JSON, msgspec.json.encode(here.health())),
        "/status": lambda: Reply(JSON, msgspec.json.encode(here.status())),
        "/metrics": lambda: Reply(CONTENT_TYPE, here.metrics()),
    }


def _service(here: Service) -> ServiceConfig:
    return ServiceConfig(
        name=here.name,
        version=importlib.metadata.version("opensqt"),
        description=f"OpenSQT {here.name}",
        metadata={"http": here.http_address, **here.labels},
    )


def _status_endpoint(here: Service, service: NatsService) -> EndpointConfig:
    async def answer(request: Request) -> None:
        await request.respond(msgspec.json.encode(here.status()))

    # A subject for each instance: every one of them can be asked, as INFO tells.
    return EndpointConfig(name="status", subject=f"status.{here.name}.{service.id}", handler=answer)


async def _stop(service: NatsService) -> None:
    # Saying goodbye takes a round trip, and there may be nobody to say it to.
    with suppress(TimeoutError, nats.errors.Error):
        async with asyncio.timeout(STOP_WITHIN_S):
            await service.stop()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
