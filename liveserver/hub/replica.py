"""One live server: its health, its status reports, and the messages it sends about itself."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bus import Bus, Service
from bus.metrics import exposition
from liveserver.hub.hub import Hub
from liveserver.metrics import Metrics
from liveserver.protocol.server_messages import Message, MessageType, SymbolData
from liveserver.protocol.session_messages import ServerData, StatusReport
from liveserver.view.projection import Projection
from schemas.units import MILLISECOND_NS

ANNOUNCE_EVERY_S = 1.0
"""Interval of the `server` message, by which a viewer detects a dead connection."""


@dataclass
class Replica:
    """State shared by the HTTP server, the feed and the hub."""

    name: str
    metrics: Metrics
    hub: Hub
    address: str = ""
    service: Service | None = None
    """None while the bus has not been reached."""
    projection: Projection | None = None
    started_s: float = field(default_factory=time.monotonic)
    """Monotonic."""
    catching_up: set[str] = field(default_factory=set)
    """Streams not yet read up to their end at the time of the last connection."""
    is_draining: bool = False

    @contextmanager
    def connected(self, service: Service) -> Iterator[None]:
        """Use a service while the context lasts, and add this server's report to its status."""
        service.report("liveserver", self.report)
        self.service = service
        try:
            yield
        finally:
            self.service = None

    def set_projection(self, projection: Projection) -> None:
        """Replace the projection that all viewers see."""
        self.projection = projection
        self.hub.set_projection(projection)

    @property
    def state(self) -> str:
        """`draining` at shutdown, `waiting` before the first view, `cut` while the bus is unreachable, else `live`."""
        if self.is_draining:
            return "draining"
        if self.service is None or self.projection is None:
            return "waiting"
        return "live" if self.service.bus.is_connected else "cut"

    @property
    def uptime_s(self) -> float:
        return round(time.monotonic() - self.started_s, 3)

    def health(self) -> dict[str, object]:
        """Return the body of /health."""
        if self.service is None:
            bus = {"status": "starting", "problems": ["no connection to the bus yet"], "time": time.time()}
        else:
            bus = self.service.health()
        return {**bus, "uptime": self.uptime_s, **self.report()}

    def not_ready(self) -> str | None:
        """Return the reason why this replica should get no new viewers; None if it has caught up with the bus."""
        match self.state:
            case "live" if self.catching_up:
                return f"reading {', '.join(sorted(self.catching_up))}"
            case "live":
                return None
            case "waiting":
                return "the bus was not read yet"
            case "cut":
                return "no connection to the bus"
            case _:
                return "going away"

    def status(self) -> dict[str, object]:
        """Return the body of /status."""
        return self.health() if self.service is None else self.service.status()

    def exposition(self) -> bytes:
        """Return the body of /metrics."""
        return exposition(self.metrics.registry) + (b"" if self.service is None else self.service.metrics())

    def report(self) -> dict[str, object]:
        """Return the fields that a live server adds to the status of a service."""
        symbols = self.projection.names.values() if self.projection else ()
        report: dict[str, object] = {
            "replica": self.name,
            "state": self.state,
            "clients": len(self.hub),
            "symbols": list(symbols),
        }
        if self.projection and (problems := self.projection.problems):
            report["problem"] = "; ".join(problems.values())
        return report

    @property
    def bus(self) -> Bus | None:
        """The bus, None while it is unreachable."""
        return self.service.bus if self.service is not None and self.service.bus.is_connected else None

    def status_report(self) -> StatusReport:
        """Return the status for the HTTP API."""
        problems = self.health().get("problems", ())
        return StatusReport(
            replica=self.name,
            status=self.state,
            uptime=int(self.uptime_s),
            clients=len(self.hub),
            symbols=tuple(self.projection.names.values()) if self.projection else (),
            bus_reconnects=self.service.bus.reconnects if self.service is not None else 0,
            problems=tuple(str(problem) for problem in problems) if isinstance(problems, list) else (),
        )

    def symbols(self) -> list[SymbolData]:
        return self.projection.summary() if self.projection else []

    async def announce(self) -> None:
        """Broadcast the `server` message every `ANNOUNCE_EVERY_S`, cursors and symbols when they change; for ever."""
        sent: list[SymbolData] = []
        while True:
            self.hub.broadcast(self.server_message())
            self.hub.broadcast_cursors()
            await asyncio.sleep(ANNOUNCE_EVERY_S)
            symbols = self.symbols()
            if symbols != sent:
                sent = symbols
                self.hub.broadcast(Message(MessageType.SYMBOLS, symbols))

    def server_message(self) -> Message:
        """Return the `server` message."""
        data = ServerData(
            replica=self.name,
            status=self.state,
            time_ms=time.time_ns() // MILLISECOND_NS,
            uptime=int(self.uptime_s),
            clients=len(self.hub),
        )
        return Message(MessageType.SERVER, data)
