"""The bus of these tests: with --docker, nats-server runs in containers of our image."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bus import EmbeddedServer
from bus.service.server_config import DEFAULT_STORE_BYTES, ServerLimits
from tests.docker.bus_container import BusContainer


def _new(folder: Path, limits: ServerLimits | None, config: pytest.Config) -> Any:
    is_docker = config.getoption("--docker")
    return BusContainer(folder, limits) if is_docker else EmbeddedServer(folder, limits=limits)


def _remove(server: Any) -> None:
    if isinstance(server, BusContainer):
        server.remove()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Any]:
    """Run one nats-server for all tests of the session."""
    server = _new(tmp_path_factory.mktemp("bus") / "data", None, pytestconfig)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())
    _remove(server)


@pytest.fixture
async def new_server(tmp_path: Path, pytestconfig: pytest.Config) -> AsyncIterator[Any]:
    """Return a function that starts a server of the test's own, which it may kill."""
    servers: list[Any] = []

    async def start(max_store_bytes: int = DEFAULT_STORE_BYTES) -> Any:
        server = _new(tmp_path / f"bus{len(servers)}", ServerLimits(store=max_store_bytes), pytestconfig)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        server.kill()
        await server.wait()
        _remove(server)
