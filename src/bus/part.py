"""A part: one process on the bus, which says whether it is well, what it does and what it counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec
import nats.errors
import nats.micro
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, Service, ServiceConfig

from bus.connection import Bus, connect
from bus.errors import Ambiguous, BusError, NoSpace, Refused
from bus.http import Reply, serve
from bus.log import Logger, get_logger
from bus.metrics import CONTENT_TYPE, CollectorRegistry, exposition
from bus.provision import provision

VERSION = "0.1.0"
JSON = "application/json"
RETRY_S = 0.5
UNAVAILABLE = 503

Report = Callable[[], Mapping[str, object]]


class Part:
    """What a process shows of itself."""

    def __init__(self, name: str, bus: Bus, log: Logger, labels: Mapping[str, str]) -> None:
        self.name = name
        self.bus = bus
        self.log = log
        self.labels = dict(labels)
        self.registry = CollectorRegistry()
        self.http_address = ""
        """Where /health, /status and /metrics are; empty when it serves none of its own."""
        self._reports: dict[str, Report] = {}
        self._started = time.monotonic()

    def report(self, component: str, report: Report) -> None:
        """Show a component in the status. A `problem` in what it says makes the part's health `degraded`."""
        self._reports[component] = report

    def status(self) -> dict[str, object]:
        """Return what every component says."""
        components = {name: report() for name, report in self._reports.items()}
        connection = {"connected": self.bus.is_connected, "reconnects": self.bus.reconnects}
        return {"part": self.name, **self.labels, **self.health(), "bus": connection, **components}

    def health(self) -> dict[str, object]:
        """Return whether all is well, with the uptime in seconds and the time in seconds since the epoch."""
        problems = [
            str(said["problem"]) for report in self._reports.values() if (said := report()).get("problem")
        ]
        if not self.bus.is_connected:
            problems.append("no connection to the bus")
        health: dict[str, object] = {
            "status": "degraded" if problems else "ok",
            "uptime": round(time.monotonic() - self._started, 3),
            "time": time.time(),
        }
        return {**health, "problems": problems} if problems else health

    def metrics(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        return exposition(self.registry)


@asynccontextmanager
async def part(
    name: str,
    *,
    bus_url: str,
    http_port: int | None,
    http_host: str = "127.0.0.1",
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> AsyncIterator[Part]:
    """Take part in the bus: connected, provisioned, answering for itself over HTTP and as a NATS service.

    `http_port` 0 takes a free one; None serves nothing, for a part that has a web server of its own.
    Raises: OSError when the port is taken; TopologyDiffers.
    """
    log = get_logger(name)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(connect(bus_url, name=name, log=log))
        await _provision(bus, log)
        here = Part(name, bus, log, labels or {})
        if http_port is not None:
            here.http_address = await stack.enter_async_context(serve(_pages(here), http_host, http_port))
        service = await nats.micro.add_service(bus.nc, _service(here, metadata or {}))
        stack.push_async_callback(_stop, service)
        await service.add_endpoint(_status_endpoint(here))
        log.info("started", http=here.http_address)
        yield here
        log.info("ending")


async def _provision(bus: Bus, log: Logger) -> None:
    while True:
        try:
            await provision(bus)
        except BusError as error:
            if not _passes(error):
                raise
            log.warning("not_provisioned", detail=error, do="trying again")
            await asyncio.sleep(RETRY_S)
        else:
            return


def _passes(error: BaseException) -> bool:
    return isinstance(error, Ambiguous | NoSpace) or (
        isinstance(error, Refused) and error.status == UNAVAILABLE
    )


def _pages(here: Part) -> dict[str, Callable[[], Reply]]:
    return {
        "/health": lambda: Reply(JSON, msgspec.json.encode(here.health())),
        "/status": lambda: Reply(JSON, msgspec.json.encode(here.status())),
        "/metrics": lambda: Reply(CONTENT_TYPE, here.metrics()),
    }


def _service(here: Part, metadata: Mapping[str, str]) -> ServiceConfig:
    return ServiceConfig(
        name=here.name,
        version=VERSION,
        description=f"OpenSQT {here.name}",
        metadata={"http": here.http_address, **here.labels, **metadata},
    )


def _status_endpoint(here: Part) -> EndpointConfig:
    async def answer(request: Request) -> None:
        await request.respond(msgspec.json.encode(here.status()))

    return EndpointConfig(name="status", subject=f"status.{here.name}", handler=answer)


async def _stop(service: Service) -> None:
    with suppress(TimeoutError, nats.errors.Error):
        async with asyncio.timeout(1.0):
            await service.stop()
