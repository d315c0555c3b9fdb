"""The world: hosts, the model of the bus, the simulated venue and the parts."""

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bus import connect
from bus.client.connection import Bus
from bus.peer import PeerCheck
from bus.runtime import provided
from cli.apply.start import apply_at_start
from cli.config.file import Configuration
from engine import app as engine
from lab.simulation.bus_model.asyncio_server import BusServer
from lab.simulation.bus_model.server import BusModel
from lab.simulation.loop.event_loop import SimulatedLoop
from lab.simulation.loop.hosts import Host
from lab.simulation.world import viewers
from lab.simulation.world.libraries import simulated_libraries
from lab.simulation.world.parts import SimulatedPart
from lab.simulation.world.runtime import SimulatedRuntime
from producers import app as producers
from producers.simulated import app as venue
from producers.simulated.server.store import Store

T = TypeVar("T")

BUS_ADDRESS, VENUE_ADDRESS, OPERATOR_ADDRESS = "10.0.0.1", "10.0.0.2", "10.0.0.3"
VIEWERS_ADDRESS = "10.0.0.4"
BUS_URL = f"nats://{BUS_ADDRESS}:4222"
VENUE_PORT = 7001
VENUE_URL = f"http://{VENUE_ADDRESS}:{VENUE_PORT}"
ADMIN_URL = f"http://127.0.0.1:{VENUE_PORT}"
"""The venue as the operator reaches it: by a forwarded port, since its administration is for its own machine."""


FIRST_PARTS = ("bus", "venue")
"""What runs before the configuration is applied, as with `up`; the other parts are started afterwards."""


class WorldEnded(Exception):
    """The world was ended early. The text says why: a part failed, or the deadline passed."""


class AnyPeer(PeerCheck):
    """Admits every user: the hosts of a world have one."""

    def stranger(self, connection: Any) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """What is in a world."""

    configuration: Configuration
    seed: int = 1
    engines: int = 1
    gateways: int = 1
    nodes: int = 1
    live_servers: int = 0
    viewers: int = 0
    """Clients of the live servers, see `World.viewers`."""
    producers: Mapping[str, Any] = field(default_factory=dict)
    """Start-up settings of the producers that differ from the defaults."""
    venue_skew_s: float = 0.0
    """How far the venue's clock is ahead of the other hosts' at the start."""
    pace: float = 1.0
    """By how much periods of background work (lease renewals, stream checks, pings) are longer than in production. At 1
    they take most of the CPU time of a quiet world."""
    deadline_s: float | None = None
    """Simulated seconds after which the world is ended; None: never."""
    ends_on_failure: bool = False
    """Whether the world is ended when a part fails, instead of the part being started again."""


class World:
    """A simulated world. `folder` holds the venue's store; use a world once."""

    def __init__(self, settings: WorldSettings, folder: Path) -> None:
        self.settings = settings
        self.bus_url = ",".join([BUS_URL] * settings.nodes)
        """It names each server of a cluster: parts give streams as many replicas."""
        self.loop = SimulatedLoop(settings.seed)
        self.model = BusModel(
            now_ns=self.loop.true_time_ns(),
            random=random.Random(f"bus {settings.seed}"),
            servers=settings.nodes,
        )
        self.operator = self.loop.host("operator", OPERATOR_ADDRESS)
        self.venue_url = ADMIN_URL
        self.parts: dict[str, SimulatedPart] = {}
        self._running_venue: venue.RunningVenue | None = None
        self._on_venue: list[Callable[[venue.RunningVenue], None]] = []
        self._failure: asyncio.Future[str] = self.loop.create_future()
        self._runtime = SimulatedRuntime(self.loop, settings.seed, settings.pace)
        self._store: Store | None = None
        self._folder = folder
        self._add("bus", BUS_ADDRESS, self._run_bus, self.model.restart)
        venue_host = self._add("venue", VENUE_ADDRESS, self._run_venue, self._close_store)
        venue_host.wall_offset_ns = round(settings.venue_skew_s * 1e9)
        self.loop.network.forward(VENUE_PORT, venue_host)
        for number, (name, main) in enumerate(self._mains().items()):
            self._add(name, f"10.0.1.{number + 1}", main)
        addresses = [f"10.0.2.{number + 1}" for number in range(settings.live_servers)]
        for number, address in enumerate(addresses):
            name = f"liveserver-{number + 1}"
            self._add(name, address, partial(viewers.serve, self.bus_url, name, address))
        symbols = [each.symbol for each in settings.configuration.symbols]
        self.viewers = viewers.WorldViewers(addresses, symbols, settings.viewers, settings.seed)
        """The clients of the live servers."""

    def run(self, main: Callable[["World", Bus], Coroutine[Any, Any, T]]) -> T:
        """Start everything, run `main` on the operator's host with a connection to the bus, and end the world.

        Raises: WorldEnded; what `main` raises.
        """
        with provided(self._runtime), simulated_libraries(self.loop, self.settings.seed):
            try:
                return self.loop.run(self._run(main))
            finally:
                self._close_store()

    def follow_venue(self, observe: Callable[[venue.RunningVenue], None]) -> None:
        """Call `observe` with the venue that runs, and again each time that its process starts."""
        self._on_venue.append(observe)
        if self._running_venue is not None:
            observe(self._running_venue)

    def digest(self) -> str:
        """Return a hash of everything that the bus has stored: equal after equal runs."""
        found = hashlib.sha256()
        for name, stream in sorted(self.model.streams.items()):
            for stored in stream.store.messages.values():
                text = (name, stored.subject, stored.sequence, stored.time_ns, stored.headers, stored.data)
                found.update(repr(text).encode())
        return found.hexdigest()

    async def _run(self, main: Callable[["World", Bus], Coroutine[Any, Any, T]]) -> T:
        running = asyncio.ensure_future(self._start_and_operate(main))
        await asyncio.wait(
            (running, self._failure),
            timeout=self.settings.deadline_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self._failure.done():
            raise WorldEnded(self._failure.result())
        if not running.done():
            raise WorldEnded(f"not finished after {self.settings.deadline_s:g} simulated seconds")
        return running.result()

    async def _start_and_operate(self, main: Callable[["World", Bus], Coroutine[Any, Any, T]]) -> T:
        for name in FIRST_PARTS:
            self.parts[name].start()
        await self.operator.spawn(self._apply())
        for name, part in self.parts.items():
            if name not in FIRST_PARTS:
                part.start()
        if self.settings.viewers:
            self.loop.host("viewers", VIEWERS_ADDRESS).spawn(self.viewers.run())
        result: T = await self.operator.spawn(self._operate(main))
        return result

    async def _apply(self) -> None:
        configuration = self.settings.configuration
        tradable = [(each.venue, each.symbol) for each in configuration.symbols]
        async with connect(self.bus_url, name="operator") as bus:
            await apply_at_start(bus, configuration, tradable)

    async def _operate(self, main: Callable[["World", Bus], Coroutine[Any, Any, T]]) -> T:
        async with connect(self.bus_url, name="operator") as bus:
            return await main(self, bus)

    def _end_on_failure(self, part: str, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_result(f"{part} failed at {self.loop.true_time():.1f} s: {error!r}")

    def _add(
        self,
        name: str,
        address: str,
        main: Callable[[], Coroutine[Any, Any, object]],
        before_restart: Callable[[], None] = lambda: None,
    ) -> Host:
        host = self.loop.host(name, address)
        self.parts[name] = SimulatedPart(
            host,
            main,
            before_restart=before_restart,
            on_failure=self._end_on_failure if self.settings.ends_on_failure else None,
        )
        return host

    def _mains(self) -> dict[str, Callable[[], Coroutine[Any, Any, object]]]:
        venue_id = self.settings.configuration.venue.venue

        def producer(name: str) -> producers.Settings:
            settings = producers.Settings(bus=self.bus_url, name=name, venue=venue_id, venue_url=VENUE_URL)
            pace = self.settings.pace
            stretched = {
                "silent_after_s": settings.silent_after_s * pace,
                "sweep_every_s": settings.sweep_every_s * pace,
            }
            return msgspec.structs.replace(settings, **{**stretched, **self.settings.producers})

        found: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "market": lambda: producers.market(producer("market")),
            "account": lambda: producers.account(producer("account")),
        }
        for number in range(1, self.settings.gateways + 1):
            name = f"gateway-{number}"
            found[name] = lambda name=name: producers.gateway(producer(name))  # type: ignore[misc]
        for number in range(1, self.settings.engines + 1):
            name = f"engine-{number}"
            found[name] = lambda name=name: engine.main(engine.Settings(bus=self.bus_url, name=name))  # type: ignore[misc]
        return found

    async def _run_bus(self) -> None:
        await BusServer(self.model, self.loop.true_time_ns).start()
        await asyncio.Event().wait()

    async def _run_venue(self) -> None:
        settings = msgspec.structs.replace(
            self.settings.configuration.venue,
            store=str(self._folder / "venue.sqlite"),
            host="0.0.0.0",
            port=VENUE_PORT,
        )
        async with venue.serving(settings, self._open_store, AnyPeer()) as running:
            self._running_venue = running
            for observe in self._on_venue:
                observe(running)
            await running.run()

    def _open_store(self, path: Path) -> Store:
        self._store = Store(path)
        return self._store

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
