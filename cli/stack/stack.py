"""The local stack: every part as a process of its own, started, kept running and stopped in order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, connect, embedded_cluster, provision
from cli.background import beside
from cli.config.file import Configuration
from cli.errors import CommandError
from cli.stack import symbols
from cli.stack.data_dir import DataDir
from cli.stack.disk_watch import StoreWatch
from cli.stack.live_server import live_server_environment, page_host
from cli.stack.ports import HOST, any_free
from cli.stack.process import PartProcess, Running, python
from cli.stack.readiness import until_healthy
from cli.stack.supervisor import PATIENCE, Patience, Supervisor
from producers.simulated.settings import VenueSettings
from schemas.engine.portfolio import PortfolioEntry

BUS = "bus"
VENUE = "venue"
MARKET = "market"
DRAIN_S = "0.8"
"""Viewers on this machine are quick to go."""
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What is started, and where. Ports are free ones, or wanted as they are."""

    configuration: Configuration
    """With the venue as it is to be: recording, speed and faults included."""
    data: DataDir
    bus_port: int
    http_port: int
    viewers: int = 1
    share_port: bool = False
    """All live servers at the one port, rather than at ports one after the other."""
    patience: Patience = PATIENCE
    engines: int = 1
    gateways: int = 1
    nodes: int = 1
    """Servers of the bus; several form a cluster."""
    program: Callable[..., Command] = python
    """Returns the command line of a part from its module and arguments."""

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
    ports = [
        settings.http_port + (0 if settings.share_port else number) for number in range(settings.viewers)
    ]
    viewers = dict(zip(viewer_names(settings.viewers), ports, strict=True))
    supervisor = Supervisor(say, settings.patience)
    servers = _servers(settings)
    bus_url = ",".join(server.url for server in servers)
    parts: dict[str, Running] = {server.name: server for server in servers}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.stop, _stop_order(settings))

        async def start(name: str, command: Command) -> None:
            environment = live_server_environment(settings.configuration) if name in viewers else None
            parts[name] = PartProcess(name, command, log_of(settings.data, name), environment)
            await supervisor.start(parts[name], may_finish=name == MARKET)

        # The venue first: it takes a while to make its market, and the producers ask it at once.
        settings_file = str(settings.data.venue_settings)
        await start(VENUE, settings.program("producers.simulated", "--settings", settings_file))
        for server in servers:
            await supervisor.start(server)
            await stack.enter_async_context(beside(StoreWatch(server, say).run(), "store watch"))
        bus = await stack.enter_async_context(connect(bus_url, name="up"))
        await provision(bus)
        tradable = [symbol.instrument.symbol for symbol in venue.symbols]
        for note in await symbols.enter(bus, settings.configuration.symbols, tradable):
            say(note)
        for note in await symbols.limit(bus, _limits(settings)):
            say(note)
        for name, command in _at_the_bus(settings, bus_url, viewers):
            await start(name, command)
        await until_healthy(venue_url)
        for name, command in _at_the_venue(settings, bus_url, venue_url):
            await start(name, command)
        yield Stack(bus, venue_url, _pages(settings, ports), supervisor, parts)


def _pages(settings: StackSettings, ports: list[int]) -> tuple[str, ...]:
    host = page_host(settings.configuration)
    return tuple(f"http://{host}:{port}" for port in dict.fromkeys(ports))


def _limits(settings: StackSettings) -> PortfolioEntry:
    configuration = settings.configuration
    return PortfolioEntry(
        venue=configuration.venue.venue,
        settings=configuration.portfolio,
        instance=configuration.instance,
    )


def part_names(settings: StackSettings) -> list[str]:
    """Return the names of all parts that write a log of ours: all but the bus."""
    acting = (*gateway_names(settings.gateways), *engine_names(settings.engines))
    return [VENUE, MARKET, "account", *acting, *viewer_names(settings.viewers)]


def engine_names(count: int) -> list[str]:
    """Return the names of the engines."""
    return _numbered("engine", count)


def gateway_names(count: int) -> list[str]:
    """Return the names of the gateways."""
    return _numbered("gateway", count)


def viewer_names(count: int) -> list[str]:
    """Return the names of the live servers."""
    return _numbered("liveserver", count)


def node_names(count: int) -> list[str]:
    """Return the names of the servers of the bus."""
    return _numbered(BUS, count)


def log_of(data: DataDir, name: str) -> Path:
    """Return the file that a part writes its log to."""
    return data.logs / f"{name}.log"


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}-{i + 1}" for i in range(count)]


def _stop_order(settings: StackSettings) -> list[list[str]]:
    # Who decides stops first, then who acts; the bus goes last.
    acting = [engine_names(settings.engines), gateway_names(settings.gateways), ["account"], [MARKET]]
    return [*acting, [VENUE], viewer_names(settings.viewers), node_names(settings.nodes)]


def _servers(settings: StackSettings) -> list[EmbeddedServer]:
    is_durable = not settings.is_lock_step
    if settings.nodes == 1:
        return [EmbeddedServer(settings.data.bus, port=settings.bus_port, sync_always=is_durable)]
    folders = [settings.data.root / name for name in node_names(settings.nodes)]
    first_route = any_free(settings.nodes)
    return embedded_cluster(
        folders,
        range(settings.bus_port, settings.bus_port + settings.nodes),
        range(first_route, first_route + settings.nodes),
        sync_always=is_durable,
    )


def _venue(settings: StackSettings) -> VenueSettings:
    venue = msgspec.structs.replace(
        settings.configuration.venue, store=str(settings.data.venue_store), host=HOST, port=any_free()
    )
    try:
        settings.data.venue_settings.write_bytes(msgspec.json.encode(venue))
    except OSError as error:
        raise CommandError(f"cannot write {settings.data.venue_settings}: {error.strerror}") from error
    return venue


def _at_the_bus(settings: StackSettings, bus_url: str, viewers: dict[str, int]) -> list[tuple[str, Command]]:
    arguments = ("--bus-url", bus_url, "--http-port")
    engine = ("engine", *arguments, "0", *_lock_step(settings), *_recorded(settings))
    shared = ("--share-port",) if settings.share_port else ()
    page = ("--drain-s", DRAIN_S, *shared)
    return [
        *((name, settings.program(*engine, "--name", name)) for name in engine_names(settings.engines)),
        *(
            (name, settings.program("liveserver", *arguments, str(port), *page))
            for name, port in viewers.items()
        ),
    ]


def _at_the_venue(settings: StackSettings, bus_url: str, venue_url: str) -> list[tuple[str, Command]]:
    venue = ("--venue", settings.configuration.venue.venue, "--venue-url", venue_url)
    arguments = ("--bus-url", bus_url, "--http-port", "0", *venue, *_lock_step(settings), "--name")
    names = [MARKET, "account", *gateway_names(settings.gateways)]
    return [(name, settings.program("producers", name.partition("-")[0], *arguments, name)) for name in names]


def _lock_step(settings: StackSettings) -> Command:
    return ("--lock-step",) if settings.is_lock_step else ()


def _recorded(settings: StackSettings) -> Command:
    return () if settings.configuration.venue.recording is None else ("--recorded",)
