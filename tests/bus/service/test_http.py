import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from bus.service.http import Reply, serve


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Serve one page."""
    async with serve({"/a": lambda: Reply("text/plain", b"hello")}, "127.0.0.1", 0) as address:
        yield address


async def ask(address: str, request: bytes) -> tuple[str, bytes]:
    """Return the first line of the answer, and its body."""
    where = urlsplit(address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body


async def test_a_page_is_served(address: str) -> None:
    assert await ask(address, b"GET /a?x=1 HTTP/1.1\r\nHost: x\r\n\r\n") == ("HTTP/1.1 200 OK", b"hello")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /b HTTP/1.1", "404 Not Found"),
        (b"POST /a HTTP/1.1", "405 Method Not Allowed"),
        (b"HEAD /a HTTP/1.1", "405 Method Not Allowed"),
        (b"GET /a", "400 Bad Request"),
        (b"\xff\xfe", "400 Bad Request"),
    ],
)
async def test_whatever_else_is_refused(address: str, request_line: bytes, status: str) -> None:
    line, _ = await ask(address, request_line + b"\r\n\r\n")

    assert line == f"HTTP/1.1 {status}"


async def test_a_head_that_is_too_large_is_refused(address: str) -> None:
    line, _ = await ask(address, b"GET /a HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n")

    assert line == "HTTP/1.1 431 Request Header Fields Too Large"


async def test_a_client_that_says_nothing_is_sent_away(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.service.http.WITHIN_S", 0.05)

    assert await ask(address, b"GET /a HT") == ("", b"")


async def test_a_port_that_is_taken_is_told(address: str) -> None:
    port = urlsplit(address).port
    assert port is not None

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
        async with serve({}, "127.0.0.1", port):
            raise AssertionError("listened twice")


async def test_an_idle_client_does_not_hold_the_end_up() -> None:
    async with asyncio.timeout(2):
        async with serve({}, "127.0.0.1", 0) as address:
            where = urlsplit(address)
            _, writer = await asyncio.open_connection(where.hostname, where.port)
            await asyncio.sleep(0)
        writer.close()
