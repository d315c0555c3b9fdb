"""One live server as the outside sees it: its health, its symbols, and what it announces of itself."""

import asyncio
import time
from dataclasses import dataclass, field

from bus import Bus, Service
from bus.metrics import exposition
from liveserver.hub.hub import Hub
from liveserver.metrics import Metrics
from liveserver.protocol.reports import StatusReport
from liveserver.protocol.server_messages import Message, MessageType, ServerData, SymbolData
from liveserver.view.projection import Projection
from schemas.units import MILLISECOND_NS

ANNOUNCE_EVERY_S = 1.0
"""How often viewers hear from the server when nothing else happens: silence then means a dead connection."""


@dataclass
class Replica:
    """What the HTTP side, the feed and the hub share. There is no part before the bus was reached."""

    name: str
    metrics: Metrics
    hub: Hub
    address: str = ""
    part: Service | None = None
    projection: Projection | None = None
    started: float = field(default_factory=time.monotonic)
    behind: set[str] = field(default_factory=set)
    """Streams that are still being read up to where they were when the bus was last reached."""
    is_draining: bool = False

    def show(self, projection: Projection) -> None:
        """Show this projection to everybody from now on."""
        self.projection = projection
        self.hub.show(projection)

    @property
    def state(self) -> str:
        """Return `waiting` until the bus was read once, `cut` while it is out of reach, `draining`, else `live`."""
        if self.is_draining:
            return "draining"
        if self.part is None or self.projection is None:
            return "waiting"
        return "live" if self.part.bus.is_connected else "cut"

    @property
    def uptime_s(self) -> float:
        return round(time.monotonic() - self.started, 3)

    def health(self) -> dict[str, object]:
        """Return the body of /health."""
        if self.part is None:
            bus = {"status": "starting", "problems": ["no connection to the bus yet"], "time": time.time()}
        else:
            bus = self.part.health()
        return {**bus, "uptime": self.uptime_s, **self.report()}

    def not_ready(self) -> str | None:
        """Return why new viewers should go elsewhere; None when this replica is caught up with the bus."""
        match self.state:
            case "live" if self.behind:
                return f"reading {', '.join(sorted(self.behind))}"
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
        return self.health() if self.part is None else self.part.status()

    def exposition(self) -> bytes:
        """Return the body of /metrics."""
        return exposition(self.metrics.registry) + (b"" if self.part is None else self.part.metrics())

    def report(self) -> dict[str, object]:
        """Return what a live server says beside what every part does."""
        symbols = self.projection.names.values() if self.projection else ()
        return {"replica": self.name, "state": self.state, "clients": len(self.hub), "symbols": list(symbols)}

    @property
    def bus(self) -> Bus | None:
        """The bus, None before it was reached and while it is out of reach."""
        return self.part.bus if self.part is not None and self.part.bus.is_connected else None

    def status_report(self) -> StatusReport:
        """Return how this server is, for the API."""
        problems = self.health().get("problems", ())
        return StatusReport(
            replica=self.name,
            status=self.state,
            uptime=int(self.uptime_s),
            clients=len(self.hub),
            symbols=tuple(self.projection.names.values()) if self.projection else (),
            bus_reconnects=self.part.bus.reconnects if self.part is not None else 0,
            problems=tuple(str(problem) for problem in problems) if isinstance(problems, list) else (),
        )

    def symbols(self) -> list[SymbolData]:
        return self.projection.summary() if self.projection else []

    async def announce(self) -> None:
        """Tell viewers regularly who is speaking, and the list of symbols when it changed; for ever."""
        told: list[SymbolData] = []
        while True:
            self.hub.broadcast(self.introduction())
            self.hub.tell_streams()
            await asyncio.sleep(ANNOUNCE_EVERY_S)
            symbols = self.symbols()
            if symbols != told:
                told = symbols
                self.hub.broadcast(Message(MessageType.SYMBOLS, symbols))

    def introduction(self) -> Message:
        """Return the message that says who is speaking."""
        data = ServerData(
            replica=self.name,
            status=self.state,
            time_ms=time.time_ns() // MILLISECOND_NS,
            uptime=int(self.uptime_s),
            clients=len(self.hub),
        )
        return Message(MessageType.SERVER, data)
