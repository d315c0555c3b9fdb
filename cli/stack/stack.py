"""The local stack of `opensqt up`: each part is a supervised process; start-up and shutdown are ordered."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bus import Bus, EmbeddedServer, connect, embedded_cluster, provision
from cli.background import background_task
from cli.config.file import Configuration
from cli.errors import CommandError
from cli.stack import symbols
from cli.stack.data_dir import DataDir
from cli.stack.disk_watch import DiskWatch
from cli.stack.live_server import live_server_environment, page_host
from cli.stack.ports import HOST, find_free_port
from cli.stack.process import ManagedProcess, PartProcess, module_command
from cli.stack.readiness import until_healthy
from cli.stack.supervisor import DEFAULT_TIMINGS, Supervisor, SupervisorTimings
from producers.simulated.settings import VenueSettings
from schemas.engine.portfolio import PortfolioEntry

BUS = "bus"
VENUE = "venue"
MARKET = "market"
DRAIN_S = "0.8"
"""Seconds that live servers wait for viewers at shutdown; viewers on this machine disconnect quickly."""
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Number, ports and configuration of the parts. The ports must be free."""

    configuration: Configuration
    """Its venue settings include recording, speed and faults."""
    data: DataDir
    bus_port: int
    """Port of the first bus server; further ones follow."""
    http_port: int
    """Port of the first live server."""
    viewers: int = 1
    """Number of live servers."""
    share_port: bool = False
    """All live servers listen on `http_port` instead of consecutive ports."""
    timings: SupervisorTimings = DEFAULT_TIMINGS
    engines: int = 1
    gateways: int = 1
    nodes: int = 1
    """Bus servers; several form a cluster."""
    program: Callable[..., Command] = module_command
    """Builds the command of a part from its module and arguments."""

    @property
    def is_lock_step(self) -> bool:
        """Whether the venue waits for all parts in each tick (`--speed max`)."""
        return self.configuration.venue.is_lock_step


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack."""

    bus: Bus
    venue_url: str
    pages: tuple[str, ...]
    """Addresses of the live servers."""
    supervisor: Supervisor
    parts: dict[str, ManagedProcess]
    """By name: all processes, bus servers included."""

    def part(self, name: str) -> PartProcess:
        """Return the process of a part other than a bus server, to send signals to it."""
        part = self.parts[name]
        assert isinstance(part, PartProcess), f"{name} is a bus server"
        return part

    async def finished(self) -> None:
        """Wait until the market producer has finished: a recording has ended. A live market never ends."""
        await self.supervisor.finished(MARKET)


@asynccontextmanager
async def run_stack(settings: StackSettings, report: Callable[[str], None]) -> AsyncIterator[Stack]:
    """Run the stack until the context ends. The caller holds the lock of the data directory.

    Raises: CommandError or bus.ServerStartFailed when something cannot be started.
    """
    venue = _venue(settings)
    venue_url = f"http://{HOST}:{venue.port}"
    ports = [
        settings.http_port + (0 if settings.share_port else number) for number in range(settings.viewers)
    ]
    viewers = dict(zip(viewer_names(settings.viewers), ports, strict=True))
    supervisor = Supervisor(report, settings.timings)
    servers = _servers(settings)
    bus_url = ",".join(server.url for server in servers)
    parts: dict[str, ManagedProcess] = {server.name: server for server in servers}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.stop, _stop_order(settings))

        async def start(name: str, command: Command) -> None:
            environment = live_server_environment(settings.configuration) if name in viewers else None
            parts[name] = PartProcess(name, command, log_file(settings.data, name), environment)
            await supervisor.start(parts[name], may_finish=name == MARKET)

        # The venue first: generating its market takes a while, and the producers query it as soon as they start.
        settings_file = str(settings.data.venue_settings)
        await start(VENUE, settings.program("producers.simulated", "--settings", settings_file))
        for server in servers:
            await supervisor.start(server)
            await stack.enter_async_context(background_task(DiskWatch(server, report).run(), "disk watch"))
        bus = await stack.enter_async_context(connect(bus_url, name="up"))
        await provision(bus)
        tradable = [symbol.instrument.symbol for symbol in venue.symbols]
        for note in await symbols.register_symbols(bus, settings.configuration.symbols, tradable):
            report(note)
        for note in await symbols.store_limits(bus, _limits(settings)):
            report(note)
        for name, command in _bus_parts(settings, bus_url, viewers):
            await start(name, command)
        await until_healthy(venue_url)
        for name, command in _venue_parts(settings, bus_url, venue_url):
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
    """Return the names of all parts except the bus servers, which write a log of their own."""
    sharing = (*gateway_names(settings.gateways), *engine_names(settings.engines))
    return [VENUE, MARKET, "account", *sharing, *viewer_names(settings.viewers)]


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
    """Return the names of the bus servers."""
    return _numbered(BUS, count)


def log_file(data: DataDir, name: str) -> Path:
    """Return the log file of a part."""
    return data.logs / f"{name}.log"


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}-{i + 1}" for i in range(count)]


def _stop_order(settings: StackSettings) -> list[list[str]]:
    # Engines first, then gateways, which still send the engines' last cancels; the bus last.
    trading = [engine_names(settings.engines), gateway_names(settings.gateways), ["account"], [MARKET]]
    return [*trading, [VENUE], viewer_names(settings.viewers), node_names(settings.nodes)]


def _servers(settings: StackSettings) -> list[EmbeddedServer]:
    is_durable = not settings.is_lock_step
    if settings.nodes == 1:
        return [EmbeddedServer(settings.data.bus, port=settings.bus_port, sync_always=is_durable)]
    folders = [settings.data.root / name for name in node_names(settings.nodes)]
    first_route = find_free_port(settings.nodes)
    return embedded_cluster(
        folders,
        range(settings.bus_port, settings.bus_port + settings.nodes),
        range(first_route, first_route + settings.nodes),
        sync_always=is_durable,
    )


def _venue(settings: StackSettings) -> VenueSettings:
    venue = msgspec.structs.replace(
        settings.configuration.venue, store=str(settings.data.venue_store), host=HOST, port=find_free_port()
    )
    try:
        settings.data.venue_settings.write_bytes(msgspec.json.encode(venue))
    except OSError as error:
        raise CommandError(f"cannot write {settings.data.venue_settings}: {error.strerror}") from error
    return venue


def _bus_parts(settings: StackSettings, bus_url: str, viewers: dict[str, int]) -> list[tuple[str, Command]]:
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


def _venue_parts(settings: StackSettings, bus_url: str, venue_url: str) -> list[tuple[str, Command]]:
    venue = ("--venue", settings.configuration.venue.venue, "--venue-url", venue_url)
    arguments = ("--bus-url", bus_url, "--http-port", "0", *venue, *_lock_step(settings), "--name")
    names = [MARKET, "account", *gateway_names(settings.gateways)]
    return [(name, settings.program("producers", name.partition("-")[0], *arguments, name)) for name in names]


def _lock_step(settings: StackSettings) -> Command:
    return ("--lock-step",) if settings.is_lock_step else ()


def _recorded(settings: StackSettings) -> Command:
    return () if settings.configuration.venue.recording is None else ("--recorded",)
