"""A bus with the generated configuration: one server on this machine, all streams provisioned, mirrors too."""

import asyncio
import datetime
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bus import Bus, connect, provision, read_context
from bus.secure.directory import Settings, write_directory
from bus.secure.mirrors import provision_mirrors
from bus.secure.server_config import MONITORING_PORT_OFFSET, Server
from bus.service.embedded_server import find_nats_server
from schemas.units import VenueId

VENUES = (VenueId("sim"), VenueId("other"))
NOW = datetime.datetime.now(datetime.UTC)


def free_port() -> int:
    """Return a port that is free, and whose port for monitoring is free as well."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + MONITORING_PORT_OFFSET))
            except (OSError, OverflowError):
                continue
            return port


def make_directory(root: Path, venues: Sequence[VenueId] = VENUES, *, tls: bool = True) -> Settings:
    """Write the directory of a bus with one server on a free port of this machine."""
    settings = Settings(servers=(Server("bus", "127.0.0.1", free_port()),), venues=tuple(venues), tls=tls)
    write_directory(root, settings, now=NOW)
    return settings


@asynccontextmanager
async def running_server(root: Path, name: str = "bus") -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a server of the directory, as its documentation says: in its folder."""
    with (root / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            find_nats_server(), "-c", "server.conf", cwd=root / "servers" / name, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def as_user(root: Path, user: str) -> AsyncIterator[Bus]:
    """Connect with a context of the directory."""
    async with connect(read_context(root / "contexts" / f"{user}.json"), name=user) as bus:
        yield bus


@asynccontextmanager
async def secured_bus(root: Path, *, tls: bool = True) -> AsyncIterator[Bus]:
    """Run a secured bus with all streams and mirrors; yield the administrator's connection."""
    make_directory(root, tls=tls)
    async with running_server(root), as_user(root, "admin") as admin:
        await provision(admin)
        await provision_mirrors(admin)
        yield admin
