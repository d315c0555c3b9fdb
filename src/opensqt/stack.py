"""The local stack: every part as a process of its own, started, kept running and stopped in order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, connect, provision
from opensqt import roster
from opensqt.bus_store import StoreWatch
from opensqt.config import Configuration
from opensqt.data_dir import DataDir
from opensqt.errors import CommandError
from opensqt.listening import HOST, any_free
from opensqt.live_server import live_server_environment, page_host
from opensqt.process import PartProcess, Running, python
from opensqt.readiness import until_healthy
from opensqt.supervisor import PATIENCE, Patience, Supervisor
from opensqt.tasks import beside
from producers.simulated.settings import VenueSettings

BUS = "bus"
VENUE = "venue"
MARKET = "market"
STOP_ORDER = (("engine",), ("gateway",), ("account",), ("market",), ("venue",))
"""Who decides stops first, then who acts; the live servers come next, and the bus goes last."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What is started, and where. Ports are free ones, or wanted as they are."""

    configuration: Configuration
    """With the venue as it is to be: recording, speed and faults included."""
    data: DataDir
    bus_port: int
    http_port: int
    viewers: int = 1
    patience: Patience = PATIENCE

    @property
    def is_lock_step(self) -> bool:
        """The venue waits for everyone in each tick."""
        return self.configuration.venue.is_lock_step


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs."""

    bus: Bus
    venue_url: str
    pages: tuple[str, ...]
    supervisor: Supervisor
    parts: dict[str, Running]

    def part(self, name: str) -> PartProcess:
        """Return a part's process, for those who want to signal it."""
        part = self.parts[name]
        assert isinstance(part, PartProcess), f"{name} is no part"
        return part

    async def finished(self) -> None:
        """Return when a recording has ended and all that it led to is settled."""
        await self.supervisor.finished(MARKET)


@asynccontextmanager
async def running(settings: StackSettings, say: Callable[[str], None]) -> AsyncIterator[Stack]:
    """Run the stack for as long as the context lasts. The data directory has to be held.

    Raises: CommandError or bus.ServerStartFailed when something cannot be started.
    """
    venue = _venue(settings)
    venue_url = f"http://{HOST}:{venue.port}"
    ports = [settings.http_port + i for i in range(settings.viewers)]
    viewers = dict(zip(viewer_names(settings.viewers), ports, strict=True))
    supervisor = Supervisor(say, settings.patience)
    server = EmbeddedServer(settings.data.bus, port=settings.bus_port, sync_always=not settings.is_lock_step)
    parts: dict[str, Running] = {BUS: server}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.stop, [*STOP_ORDER, list(viewers), [BUS]])

        async def start(name: str, command: tuple[str, ...]) -> None:
            environment = live_server_environment(settings.configuration) if name in viewers else None
            parts[name] = PartProcess(name, command, log_of(settings.data, name), environment)
            await supervisor.start(parts[name], may_finish=name == MARKET)

        # The venue first: it takes a while to make its market, and the producers ask it at once.
        await start(VENUE, python("producers.simulated", "--settings", str(settings.data.venue_settings)))
        await supervisor.start(server)
        await stack.enter_async_context(beside(StoreWatch(server, say).run(), "store watch"))
        bus = await stack.enter_async_context(connect(server.url, name="up"))
        await provision(bus)
        tradable = [symbol.instrument.symbol for symbol in venue.symbols]
        for note in await roster.enter(bus, settings.configuration.symbols, tradable):
            say(note)
        for name, command in _at_the_bus(settings, server.url, viewers):
            await start(name, command)
        await until_healthy(venue_url)
        for name, command in _at_the_venue(settings, server.url, venue_url):
            await start(name, command)
        yield Stack(
            bus,
            venue_url,
            tuple(f"http://{page_host(settings.configuration)}:{port}" for port in ports),
            supervisor,
            parts,
        )


def part_names(viewers: int) -> list[str]:
    """Return the names of all parts that write a log of ours: all but the bus."""
    return [VENUE, MARKET, "account", "gateway", "engine", *viewer_names(viewers)]


def viewer_names(count: int) -> list[str]:
    """Return the names of the live servers."""
    return ["liveserver"] if count == 1 else [f"liveserver-{i + 1}" for i in range(count)]


def log_of(data: DataDir, name: str) -> Path:
    """Return the file that a part writes its log to."""
    return data.logs / f"{name}.log"


def _venue(settings: StackSettings) -> VenueSettings:
    venue = msgspec.structs.replace(
        settings.configuration.venue, store=str(settings.data.venue_store), host=HOST, port=any_free()
    )
    try:
        settings.data.venue_settings.write_bytes(msgspec.json.encode(venue))
    except OSError as error:
        raise CommandError(f"cannot write {settings.data.venue_settings}: {error.strerror}") from error
    return venue


def _at_the_bus(
    settings: StackSettings, bus_url: str, viewers: dict[str, int]
) -> list[tuple[str, tuple[str, ...]]]:
    arguments = ("--bus-url", bus_url, "--http-port")
    return [
        ("engine", python("engine", *arguments, "0", *_lock_step(settings), *_recorded(settings))),
        *((name, python("liveserver", *arguments, str(port))) for name, port in viewers.items()),
    ]


def _at_the_venue(settings: StackSettings, bus_url: str, venue_url: str) -> list[tuple[str, tuple[str, ...]]]:
    venue = ("--venue", settings.configuration.venue.venue, "--venue-url", venue_url)
    arguments = ("--bus-url", bus_url, "--http-port", "0", *venue, *_lock_step(settings))
    return [(name, python("producers", name, *arguments)) for name in (MARKET, "account", "gateway")]


def _lock_step(settings: StackSettings) -> tuple[str, ...]:
    return ("--lock-step",) if settings.is_lock_step else ()


def _recorded(settings: StackSettings) -> tuple[str, ...]:
    return () if settings.configuration.venue.recording is None else ("--recorded",)
