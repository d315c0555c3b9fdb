"""One live server: its health, its status reports, and the messages it sends about itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bus import Bus, Service
from bus.metrics import exposition
from bus.parts.texts import without_secrets
from bus.parts.view import PartsView, PartView
from bus.parts.watchdog import Watchdog
from bus.runtime import monotonic_s, time_ns, time_s
from liveserver.hub.hub import Hub
from liveserver.hub.roster import Roster
from liveserver.metrics import Metrics
from liveserver.protocol.server_messages import Message, MessageType, SymbolData
from liveserver.protocol.session_messages import PartData, ServerData, StatusReport
from liveserver.protocol.symbol_names import Market
from liveserver.view.market_status import Listing
from liveserver.view.projection import Projection
from schemas.units import MILLISECOND_NS, Symbol

ANNOUNCE_EVERY_S = 1.0
"""Interval of the `server` message, by which a viewer detects a dead connection."""


@dataclass
class Replica:
    """State shared by the HTTP server, the feed and the hub."""

    name: str
    metrics: Metrics
    hub: Hub
    address: str = ""
    symbols_served: frozenset[Symbol] = frozenset()
    """The symbols that this server serves, of all venues; all if empty."""
    service: Service | None = None
    """None while the bus has not been reached."""
    watchdog: Watchdog | None = None
    """Watches the parts of the stack; None while the bus has not been reached."""
    projection: Projection | None = None
    started_s: float = field(default_factory=monotonic_s)
    """Monotonic."""
    catching_up: set[str] = field(default_factory=set)
    """Streams not yet read up to their end at the time of the last connection."""
    is_draining: bool = False

    def __post_init__(self) -> None:
        self.roster = Roster(self._set_listing)

    @contextmanager
    def connected(self, service: Service, watchdog: Watchdog) -> Iterator[None]:
        """Use a service while the context lasts, and add this server's report to its status."""
        service.report("liveserver", self.report)
        self.service, self.watchdog = service, watchdog
        forget = watchdog.on_change(self._on_parts_changed)
        try:
            yield
        finally:
            forget()
            self.service = self.watchdog = None

    def set_projection(self, projection: Projection) -> None:
        """Replace the projection that all viewers see."""
        for market, listing in self.roster.listings.items():
            projection.set_listing(market, listing)
        projection.set_blocked(self.parts.blocked)
        self.projection = projection
        self.hub.set_projection(projection)

    @property
    def parts(self) -> PartsView:
        """The state of the parts of the stack; empty while the bus has not been reached."""
        return PartsView() if self.watchdog is None else self.watchdog.view()

    @property
    def state(self) -> str:
        """`draining` at shutdown, `waiting` before the first view, `cut` while the bus is unreachable, else `live`."""
        if self.is_draining:
            return "draining"
        if self.service is None or self.projection is None:
            return "waiting"
        return "live" if self.bus is not None else "cut"

    @property
    def uptime_s(self) -> float:
        return round(monotonic_s() - self.started_s, 3)

    def health(self) -> dict[str, object]:
        """Return the body of /health."""
        if self.service is None:
            bus = {"status": "starting", "problems": ["no connection to the bus yet"], "time": time_s()}
        else:
            bus = self.service.health()
        health = {**bus, "uptime": self.uptime_s, **self.report()}
        # Not among those of the service, which its heartbeats carry: they would be reported as problems of this part.
        if self.service is not None and (wrong := self.parts.problems):
            return {**health, "status": "degraded", "problems": [*self.service.problems(), *wrong]}
        return health

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
                is_connected = self.service is not None and self.service.bus.is_connected
                return "the bus does not answer" if is_connected else "no connection to the bus"
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
        """The bus, None while it is unreachable or does not answer."""
        if self.service is None or not self.service.bus.is_connected or self.parts.blocked_all is not None:
            return None
        return self.service.bus

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
            parts=self._part_data(),
        )

    def symbols(self) -> list[SymbolData]:
        return self.projection.summary() if self.projection else []

    async def announce(self) -> None:
        """Broadcast the `server` message every `ANNOUNCE_EVERY_S`, cursors and symbols when they change; for ever."""
        sent: list[SymbolData] = []
        while True:
            self._publish_blocked()
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
            time_ms=time_ns() // MILLISECOND_NS,
            uptime=int(self.uptime_s),
            clients=len(self.hub),
            parts=self._part_data(),
            bus="" if self.service is None else without_secrets(self.service.bus.url),
        )
        return Message(MessageType.SERVER, data)

    def _set_listing(self, market: Market, listing: Listing) -> None:
        if self.projection is not None:
            self.hub.publish(self.projection.set_listing(market, listing))

    def _on_parts_changed(self) -> None:
        self._publish_blocked()
        self.hub.broadcast(self.server_message())

    def _publish_blocked(self) -> None:
        if self.projection is not None:
            self.hub.publish(self.projection.set_blocked(self.parts.blocked))

    def _part_data(self) -> tuple[PartData, ...]:
        return tuple(_part_data(part) for part in self.parts.parts)


def _part_data(part: PartView) -> PartData:
    return PartData(
        kind=part.kind,
        name=part.name,
        state=part.state,
        age_ms=None if part.age_ns is None else part.age_ns // MILLISECOND_NS,
        venues=part.venues,
        detail=part.detail,
        remedy=part.remedy,
        is_replaced=part.is_replaced,
    )
