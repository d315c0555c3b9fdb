"""Fixtures of the live server: a bus shared by the tests of a module."""

from collections.abc import AsyncIterator

import pytest_asyncio

from bus import Bus, EmbeddedServer, connect, provision
from bus.streams.topology import BUCKETS, STREAMS


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_bus(server: EmbeddedServer) -> AsyncIterator[Bus]:
    """Connect to a bus with empty streams and buckets."""
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        for stream in (*STREAMS, *BUCKETS):
            await bus.api(f"STREAM.PURGE.{stream.name}", {}, dict)
        yield bus
