"""HTTP connections: deadlines, and limits from accept on."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from bus import Bus
from liveserver.auth.settings import Access, RateLimits
from liveserver.http.server import limits_within
from liveserver.hub.replica import Replica
from liveserver.websocket.context import Limits
from tests.liveserver.watching import serving, watching
from tests.other_user import connect_as_other_user, exchange, needs_root

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 20.0
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
LOGIN = b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    """Run a live server with short deadlines and few connections."""
    limits = Limits(head_s=0.3, body_s=0.3, linger_s=0.3, connections_per_address=5)
    async with serving(module_bus.url, limits=limits) as replica:
        yield replica


async def connection(replica: Replica, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(replica.address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(sent)
    return reader, writer


async def answer(replica: Replica, sent: bytes) -> bytes:
    """Return what the server sends until it closes the connection."""
    reader, writer = await connection(replica, sent)
    async with asyncio.timeout(TIMEOUT_S):
        received = await reader.read()
    writer.close()
    return received


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", UPGRADE, LOGIN + b"{"])
async def test_a_request_that_is_never_complete_is_ended(replica: Replica, sent: bytes) -> None:
    assert (await answer(replica, sent)).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_header_line_now_and_then_does_not_extend_the_deadline(replica: Replica) -> None:
    reader, writer = await connection(replica, b"GET / HTTP/1.1\r\n")
    received = b""
    async with asyncio.timeout(TIMEOUT_S):
        while not received:
            writer.write(b"X-A: b\r\n")
            done, _ = await asyncio.wait([reading := asyncio.ensure_future(reader.read(12))], timeout=0.05)
            received = reading.result() if done else b""
            reading.cancel()
    writer.close()

    assert received == b"HTTP/1.1 408"


@needs_root
@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", UPGRADE + b"\r\n"])
async def test_another_user_of_this_machine_is_refused(replica: Replica, sent: bytes) -> None:
    parts = urlsplit(replica.address)
    refused = connect_as_other_user(str(parts.hostname), parts.port or 0)
    received = await asyncio.to_thread(exchange, refused, sent)

    assert received.startswith(b"HTTP/1.1 403 Forbidden")
    assert b"http.allowed_users" in received


@needs_root
async def test_a_server_with_authentication_serves_all_users(module_bus: Bus) -> None:
    async with serving(module_bus.url, access=Access(public=True)) as replica:
        parts = urlsplit(replica.address)
        served = connect_as_other_user(str(parts.hostname), parts.port or 0)
        request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert (await asyncio.to_thread(exchange, served, request)).startswith(b"HTTP/1.1 200")


async def test_connections_are_counted_from_accept(replica: Replica) -> None:
    held = [await connection(replica, b"") for _ in range(5)]

    refused = await answer(replica, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    for _, writer in held:
        writer.close()
        await writer.wait_closed()

    assert refused.startswith(b"HTTP/1.1 429 ")
    assert b"too many viewers are connected from this address" in refused


async def test_an_ended_connection_no_longer_counts(replica: Replica) -> None:
    for _ in range(20):
        assert b" 200 OK" in await answer(
            replica, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        async with watching(replica) as watcher:
            await watcher.until("server")


@pytest.mark.parametrize(
    ("open_files", "expected"), [(64, (32, 16)), (1024, (896, 448)), (1e6, (20_000, 2000))]
)
async def test_connections_leave_open_files_to_spare(open_files: float, expected: tuple[int, int]) -> None:
    limits = limits_within(Limits(), open_files)

    assert (limits.connections, limits.connections_per_address) == expected


async def test_new_connections_of_an_address_are_limited(module_bus: Bus) -> None:
    access = Access(public=True, rates=RateLimits(connects_per_s=0.001, connects_burst=3))
    request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with serving(module_bus.url, access=access) as replica:
        answers = [await answer(replica, request) for _ in range(5)]

    assert [each.split()[1] for each in answers] == [b"200"] * 3 + [b"429"] * 2
