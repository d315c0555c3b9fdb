"""What every test shares: a real nats-server, a connection to it, and the switches for tests that are not always run."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bus import Ambiguous, Bus, EmbeddedServer, Refused, StreamGone, connect, provision
from bus.service.embedded_server import DEFAULT_STORE_BYTES
from bus.streams.topology import BUCKETS, STREAMS

NewServer = Callable[..., Awaitable[EmbeddedServer]]


SWITCHES = {
    "docker": "also run the tests that need a Docker engine",
    "long": "also run the tests that take minutes: the laboratory, the scenarios",
}
"""Markers of tests that run only when they are asked for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, text in SWITCHES.items():
        parser.addoption(f"--{name}", action="store_true", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name in SWITCHES:
        if config.getoption(f"--{name}"):
            continue
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs --{name}"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Run one nats-server for all tests of the session."""
    server = EmbeddedServer(tmp_path_factory.mktemp("bus"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def bus(server: EmbeddedServer) -> AsyncIterator[Bus]:
    """Connect to a bus whose streams are new: nothing in them, no message id remembered."""
    async with connect(server.url, name="test") as bus:
        for stream in (*STREAMS, *BUCKETS):
            await _delete(bus, stream.name)
        await provision(bus)
        yield bus


async def _delete(bus: Bus, stream: str) -> None:
    for _ in range(5):
        try:
            await bus.api(f"STREAM.DELETE.{stream}", None, dict)
        except StreamGone:
            return
        except (Ambiguous, Refused):
            pass  # a busy machine: whether it is gone is asked again


@pytest.fixture
async def new_server(tmp_path: Path) -> AsyncIterator[NewServer]:
    """Start servers of one's own, to be killed at will."""
    servers: list[EmbeddedServer] = []

    async def start(max_store_bytes: int = DEFAULT_STORE_BYTES) -> EmbeddedServer:
        server = EmbeddedServer(tmp_path / f"bus{len(servers)}", max_store_bytes=max_store_bytes)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        server.kill()
        await server.wait()


@pytest.fixture
def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
