"""The bus of these tests: with --docker, nats-server runs in containers of our image."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bus import EmbeddedServer
from bus.service.server_config import DEFAULT_STORE_BYTES, ServerLimits
from tests.bus.cluster import running_cluster
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
async def new_server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Return a function that starts a server of the test's own, which it may kill."""
    servers: list[Any] = []
    is_embedded = request.path.name == "test_embedded_server.py"  # these are about the process itself

    async def start(max_store_bytes: int = DEFAULT_STORE_BYTES) -> Any:
        folder, limits = tmp_path / f"bus{len(servers)}", ServerLimits(store=max_store_bytes)
        server = (
            EmbeddedServer(folder, limits=limits) if is_embedded else _new(folder, limits, request.config)
        )
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        server.kill()
        await server.wait()
        _remove(server)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[EmbeddedServer]]:
    """Run three servers of the test's own, which form a cluster."""
    async with running_cluster(tmp_path) as servers:
        yield servers
