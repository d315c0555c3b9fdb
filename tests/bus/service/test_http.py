"""The minimal HTTP server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from bus.service.http import Reply, serve
from tests.other_user import connect_as_other_user, exchange, needs_root


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Serve one page and return the address."""
    async with serve({"/a": lambda: Reply("text/plain", b"hello")}, "127.0.0.1", 0) as address:
        yield address


async def send_request(address: str, request: bytes) -> tuple[str, bytes]:
    """Return the status line and the body of the response."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request)
    response = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    head, _, body = response.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body


async def test_a_page_is_served(address: str) -> None:
    assert await send_request(address, b"GET /a?x=1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n") == (
        "HTTP/1.1 200 OK",
        b"hello",
    )


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /b HTTP/1.1", "404 Not Found"),
        (b"POST /a HTTP/1.1", "405 Method Not Allowed"),
        (b"GET /a HTTP/1.1\r\nHost: evil.example", "403 Forbidden"),
        (b"GET /a HTTP/1.1\r\nHost: [::1]\r\nHost: evil.example:80", "403 Forbidden"),
        (b"GET /a", "400 Bad Request"),
        (b"\xff\xfe", "400 Bad Request"),
    ],
)
async def test_an_invalid_request_is_rejected(address: str, request_line: bytes, status: str) -> None:
    line, _ = await send_request(address, request_line + b"\r\n\r\n")

    assert line == f"HTTP/1.1 {status}"


async def test_a_too_large_head_is_rejected(address: str) -> None:
    line, _ = await send_request(address, b"GET /a HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n")

    assert line == "HTTP/1.1 431 Request Header Fields Too Large"


async def test_head_is_answered_without_a_body(address: str) -> None:
    assert await send_request(address, b"HEAD /a HTTP/1.1\r\n\r\n") == ("HTTP/1.1 200 OK", b"")


async def test_further_clients_than_the_limit_are_closed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.service.http.MAX_CLIENTS", 0)

    with contextlib.suppress(ConnectionError):
        assert await send_request(address, b"GET /a HTTP/1.1\r\n\r\n") == ("", b"")


async def test_a_silent_client_is_disconnected(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.service.http.CLIENT_TIMEOUT_S", 0.05)

    assert await send_request(address, b"GET /a HT") == ("", b"")


async def test_a_port_in_use_raises_an_error(address: str) -> None:
    port = urlsplit(address).port
    assert port is not None

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
        async with serve({}, "127.0.0.1", port):
            raise AssertionError("listened twice")


async def test_an_idle_client_does_not_delay_the_shutdown() -> None:
    async with asyncio.timeout(2):
        async with serve({}, "127.0.0.1", 0) as address:
            parts = urlsplit(address)
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            await asyncio.sleep(0)
        writer.close()


@needs_root
async def test_another_user_of_this_machine_is_refused(address: str) -> None:
    parts = urlsplit(address)
    connection = connect_as_other_user(str(parts.hostname), parts.port or 0)
    answer = await asyncio.to_thread(exchange, connection, b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 Forbidden")
    assert b"OPENSQT_ALLOWED_USERS" in answer
