"""The local stack of `opensqt up`: each part is a supervised process; start-up and shutdown are ordered."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bus import Bus, Credentials, EmbeddedServer, connect, embedded_cluster
from bus.client.context import CONTEXT_VARIABLE
from cli.apply.instance import registered_instance
from cli.apply.start import apply_at_start
from cli.background import background_task
from cli.config.file import Configuration
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from cli.stack.disk_watch import DiskWatch, StoreWatch
from cli.stack.live_server import live_server_environment, page_host, secret_variables, user_environment
from cli.stack.ports import find_free_port
from cli.stack.process import ManagedProcess, PartProcess, exit_text, module_command
from cli.stack.readiness import until_healthy
from cli.stack.supervisor import DEFAULT_TIMINGS, Supervisor, SupervisorTimings
from cli.stack.venues import (
    ACCOUNT,
    GATEWAY,
    MARKET,
    VENUE,
    numbered,
    part_name,
    prepare_venues,
    url_of,
    venue_part_names,
)
from schemas.units import VenueId

BUS = "bus"
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
    """Number of gateways of each venue."""
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
    venue_urls: dict[VenueId, str]
    """Addresses of the simulated venues."""
    pages: tuple[str, ...]
    """Addresses of the live servers."""
    supervisor: Supervisor
    parts: dict[str, ManagedProcess]
    """By name: all processes, bus servers included."""
    watches: list[DiskWatch | StoreWatch]

    def problems(self) -> list[str]:
        """Return what is wrong with the store of the bus."""
        return [each.problem for each in self.watches if each.problem]

    @property
    def venue_url(self) -> str:
        """The address of the first venue: the only one of a replay."""
        return next(iter(self.venue_urls.values()))

    def part(self, name: str) -> PartProcess:
        """Return the process of a part other than a bus server, to send signals to it."""
        part = self.parts[name]
        assert isinstance(part, PartProcess), f"{name} is a bus server"
        return part

    async def finished(self) -> None:
        """Wait until the market producer has finished: a recording has ended. A live market never ends."""
        await self.supervisor.finished(MARKET)


@asynccontextmanager
async def run_stack(
    settings: StackSettings,
    report: Callable[[str], None],
    *,
    note: Callable[[str], None] | None = None,
    parts: dict[str, ManagedProcess] | None = None,
) -> AsyncIterator[Stack]:
    """Run the stack until the context ends. The caller holds the lock of the data directory.

    `report` receives what the supervisor says, which it logs itself, and `note` the rest. `parts` is filled with the
    processes by name, before they are started.
    Raises: CommandError when a part fails for good at its first start; CommandError or bus.ServerStartFailed when something
    cannot be started.
    """
    note = note or report
    venues = prepare_venues(settings.configuration, settings.data)
    venue_urls = {name: url_of(venue) for name, (venue, _) in venues.items()}
    ports = [
        settings.http_port + (0 if settings.share_port else number) for number in range(settings.viewers)
    ]
    viewers = dict(zip(viewer_names(settings.viewers), ports, strict=True))
    supervisor = Supervisor(report, settings.timings)
    credentials = settings.data.bus_credentials()
    servers = _servers(settings, credentials)
    bus_url = ",".join(server.url for server in servers)
    parts = {} if parts is None else parts
    parts.update({server.name: server for server in servers})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_ended_by_failure(supervisor, parts))
        stack.push_async_callback(supervisor.stop, _stop_order(settings))

        withheld = secret_variables(settings.configuration, os.environ)

        async def start(name: str, command: Command) -> None:
            environment = {
                CONTEXT_VARIABLE: str(settings.data.bus_context),
                **user_environment(settings.configuration),
            }
            environment |= live_server_environment(settings.configuration) if name in viewers else {}
            log = log_file(settings.data, name)
            parts[name] = PartProcess(name, command, log, environment, withheld)
            await supervisor.start(parts[name], may_finish=name == MARKET)

        # The venues first: generating a market takes a while, and the producers query it as soon as they start.
        for venue_name, (_, file) in venues.items():
            command = settings.program("producers.simulated", "--settings", str(file))
            await start(part_name(VENUE, venue_name, settings.configuration), command)
        watches: list[DiskWatch | StoreWatch] = []
        for server in servers:
            await supervisor.start(server)
            watches.append(disk := DiskWatch(server, note))
            await stack.enter_async_context(background_task(disk.run(), "disk watch"))
        context = settings.data.write_bus_context(bus_url, credentials)
        bus = await stack.enter_async_context(connect(context, name="up"))
        watches.append(store := StoreWatch(bus, settings.nodes * servers[0].limits.store, note))
        await stack.enter_async_context(background_task(store.run(), "store watch"))
        tradable = {
            (name, symbol.instrument.symbol)
            for name, (venue, _) in venues.items()
            for symbol in venue.symbols
        }
        for text in await apply_at_start(bus, settings.configuration, tradable):
            note(text)
        settings.data.write_instance(await registered_instance(bus))
        for name, command in _bus_parts(settings, viewers):
            await start(name, command)
        for venue_name, url in venue_urls.items():
            await until_healthy(url)
            for name, command in _venue_parts(settings, venue_name, url):
                await start(name, command)
        yield Stack(bus, venue_urls, _pages(settings, ports), supervisor, parts, watches)


@asynccontextmanager
async def _ended_by_failure(
    supervisor: Supervisor, parts: Mapping[str, ManagedProcess]
) -> AsyncIterator[None]:
    """Cancel the context when a part fails for good, and raise a CommandError with the part's own error."""
    task, failures = asyncio.current_task(), list[tuple[str, int]]()
    assert task is not None

    async def watch() -> None:
        failures.append(await supervisor.failed())
        task.cancel()

    try:
        async with background_task(watch(), "failed parts"):
            yield
    except asyncio.CancelledError:
        if failures and task.uncancel() == 0:
            ((name, code),) = failures
            raise CommandError(_failure_text(parts[name], code)) from None
        raise


def _failure_text(part: ManagedProcess, code: int) -> str:
    reason = part.last_error() if isinstance(part, PartProcess) else "see its log"
    return f"{part.name} cannot run ({exit_text(code)}): {reason}"


def _pages(settings: StackSettings, ports: list[int]) -> tuple[str, ...]:
    host = page_host(settings.configuration)
    return tuple(f"http://{host}:{port}" for port in dict.fromkeys(ports))


def part_names(settings: StackSettings) -> list[str]:
    """Return the names of all parts except the bus servers, which write a log of their own."""
    return [
        *(
            name
            for kind in (VENUE, MARKET, ACCOUNT)
            for name in venue_part_names(kind, settings.configuration)
        ),
        *venue_part_names(GATEWAY, settings.configuration, settings.gateways),
        *engine_names(settings.engines),
        *viewer_names(settings.viewers),
    ]


def engine_names(count: int) -> list[str]:
    """Return the names of the engines."""
    return numbered("engine", count)


def viewer_names(count: int) -> list[str]:
    """Return the names of the live servers."""
    return numbered("liveserver", count)


def node_names(count: int) -> list[str]:
    """Return the names of the bus servers."""
    return numbered(BUS, count)


def log_file(data: DataDir, name: str) -> Path:
    """Return the log file of a part."""
    return data.logs / f"{name}.log"


def _stop_order(settings: StackSettings) -> list[list[str]]:
    # Engines first, then gateways, which still send the engines' last cancels; the bus last.
    of_venues = {kind: venue_part_names(kind, settings.configuration) for kind in (ACCOUNT, MARKET, VENUE)}
    gateways = venue_part_names(GATEWAY, settings.configuration, settings.gateways)
    stages = [engine_names(settings.engines), gateways, *of_venues.values()]
    return [*stages, viewer_names(settings.viewers), node_names(settings.nodes)]


def _servers(settings: StackSettings, credentials: Credentials) -> list[EmbeddedServer]:
    is_durable, limits = not settings.is_lock_step, settings.configuration.bus.limits
    if settings.nodes == 1:
        server = EmbeddedServer(
            settings.data.bus,
            port=settings.bus_port,
            credentials=credentials,
            limits=limits,
            sync_always=is_durable,
        )
        return [server]
    folders = [settings.data.root / name for name in node_names(settings.nodes)]
    first_route = find_free_port(settings.nodes)
    return embedded_cluster(
        folders,
        range(settings.bus_port, settings.bus_port + settings.nodes),
        range(first_route, first_route + settings.nodes),
        credentials=credentials,
        limits=limits,
        sync_always=is_durable,
    )


def _bus_parts(settings: StackSettings, viewers: dict[str, int]) -> list[tuple[str, Command]]:
    engine = ("engine", "--http-port", "0", *_lock_step(settings), *_recorded(settings))
    shared = ("--share-port",) if settings.share_port else ()
    page = ("--drain-s", DRAIN_S, *shared)
    return [
        *((name, settings.program(*engine, "--name", name)) for name in engine_names(settings.engines)),
        *(
            (name, settings.program("liveserver", "--http-port", str(port), *page))
            for name, port in viewers.items()
        ),
    ]


def _venue_parts(settings: StackSettings, venue: VenueId, venue_url: str) -> list[tuple[str, Command]]:
    of_venue = ("--venue", venue, "--venue-url", venue_url)
    arguments = ("--http-port", "0", *of_venue, *_lock_step(settings), "--name")
    counts = {MARKET: 1, ACCOUNT: 1, GATEWAY: settings.gateways}
    return [
        (name, settings.program("producers", kind, *arguments, name))
        for kind, count in counts.items()
        for name in numbered(part_name(kind, venue, settings.configuration), count)
    ]


def _lock_step(settings: StackSettings) -> Command:
    return ("--lock-step",) if settings.is_lock_step else ()


def _recorded(settings: StackSettings) -> Command:
    return () if settings.configuration.venue.recording is None else ("--recorded",)
