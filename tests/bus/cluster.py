"""Three servers that form a cluster, and what tests wait for while its leaders change."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from bus import Ambiguous, Bus, EmbeddedServer, Rejected, StreamGone, connect, embedded_cluster
from bus.client.jetstream import StreamState
from cli.stack.ports import find_free_port

LEADER_WITHIN_S = 60
"""Several rounds of elections, which take 4 to 9 s each on a machine that has time."""


def new_cluster(folder: Path) -> list[EmbeddedServer]:
    """Return three servers that have not been started."""
    first, routes = find_free_port(3), find_free_port(3)
    folders = [folder / f"bus-{number}" for number in (1, 2, 3)]
    return embedded_cluster(folders, range(first, first + 3), range(routes, routes + 3))


@asynccontextmanager
async def running_cluster(folder: Path) -> AsyncIterator[list[EmbeddedServer]]:
    """Start three servers, which stop at the end."""
    servers = new_cluster(folder)
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        yield servers


def connect_to(servers: Iterable[EmbeddedServer]) -> AbstractAsyncContextManager[Bus]:
    """Connect to whichever server answers."""
    return connect(",".join(server.url for server in servers), name="test")


async def kill(*servers: EmbeddedServer) -> None:
    """Kill servers, and return when they have ended."""
    for server in servers:
        server.kill()
    for server in servers:
        await server.wait()


async def led(bus: Bus, stream: str) -> StreamState:
    """Return the state of a stream, once it has a leader."""
    async with asyncio.timeout(LEADER_WITHIN_S):
        while True:
            with suppress(Ambiguous, Rejected):
                state = await bus.stream_state(stream)
                if state.leader:
                    return state
            await bus.wait_connected()


async def leader_of(bus: Bus, servers: Iterable[EmbeddedServer], stream: str) -> EmbeddedServer:
    """Return the server that leads a stream."""
    leader = (await led(bus, stream)).leader
    return next(server for server in servers if server.name == leader)


async def until_cluster_has_leader(bus: Bus) -> None:
    """Wait until the cluster replies that an unknown stream does not exist."""
    async with asyncio.timeout(LEADER_WITHIN_S):
        while True:
            try:
                await bus.stream_state("NONE")
            except StreamGone:
                return
            except (Ambiguous, Rejected):
                await bus.wait_connected()
