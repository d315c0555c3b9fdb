"""Shared fixtures: a real nats-server and a connection to it. Options that enable slow tests."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bus import Ambiguous, Bus, EmbeddedServer, Rejected, StreamGone, connect, provision
from bus.log import FORMAT_VARIABLE, LEVEL_VARIABLE, OLD_LEVEL_VARIABLE, configure_log
from bus.service.server_config import DEFAULT_STORE_BYTES, ServerLimits
from bus.streams.topology import BUCKETS, STREAMS

LOG_VARIABLES = (FORMAT_VARIABLE, LEVEL_VARIABLE, OLD_LEVEL_VARIABLE)
settings.register_profile(
    "any machine", deadline=None
)  # how long an example takes says nothing on a loaded machine
settings.load_profile("any machine")
NewServer = Callable[..., Awaitable[EmbeddedServer]]


OPTIONS = {
    "docker": "also run the tests that need a Docker engine",
    "long": "also run the tests that take minutes: lab/chaos, and lab/scenarios on real processes",
}
"""Markers of tests that run only with the option of the same name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, text in OPTIONS.items():
        parser.addoption(f"--{name}", action="store_true", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name in OPTIONS:
        if config.getoption(f"--{name}"):
            continue
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs --{name}"))


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Restore level and format of the log: commands that run within the tests may set them."""
    before = {name: os.environ.get(name) for name in LOG_VARIABLES}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    configure_log()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Run one nats-server for all tests of the session."""
    server = EmbeddedServer(tmp_path_factory.mktemp("bus"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def bus(server: EmbeddedServer) -> AsyncIterator[Bus]:
    """Connect to a bus with new, empty streams and no known message ids."""
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
        except (Ambiguous, Rejected):
            pass  # on a busy machine the outcome may be unknown: delete again


@pytest.fixture
async def new_server(tmp_path: Path) -> AsyncIterator[NewServer]:
    """Return a function that starts a server of the test's own, which it may kill."""
    servers: list[EmbeddedServer] = []

    async def start(max_store_bytes: int = DEFAULT_STORE_BYTES) -> EmbeddedServer:
        server = EmbeddedServer(tmp_path / f"bus{len(servers)}", limits=ServerLimits(store=max_store_bytes))
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        server.kill()
        await server.wait()


@pytest.fixture
def free_port() -> int:
    """Return a port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
