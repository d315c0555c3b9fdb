"""Requests that web pages can make a browser send are refused, and those of other users; those of programs are not."""

import asyncio
import socket
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from msgspec.structs import replace

from tests.other_user import connect_as_other_user, exchange, needs_root
from tests.producers.conftest import Serve
from tests.producers.simulated.examples import new_settings


async def request(url: str, method: str, path: str, headers: dict[str, str]) -> int:
    body = b'{"halted": true}' if method == "POST" else None
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}{path}", data=body, headers=headers) as response,
    ):
        return response.status


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/admin/market", {"Origin": "http://evil.example", "Content-Type": "text/plain"}),
        ("POST", "/admin/market", {"Origin": "null"}),
        ("POST", "/admin/market", {"Host": "evil.example:9000"}),
        ("POST", "/admin/market", {"Host": "venue:9000"}),
        ("GET", "/admin/books", {"Host": "192.0.2.7"}),
        ("GET", "/admin/books", {"Sec-Fetch-Site": "cross-site"}),
        ("GET", "/status", {"Host": "evil.example"}),
        ("POST", "/api/order", {"Origin": "http://evil.example"}),
        ("GET", "/ws/account", {"Origin": "http://evil.example"}),
    ],
)
async def test_web_page_is_refused(
    serve: Serve, tmp_path: Path, method: str, path: str, headers: dict[str, str]
) -> None:
    served = await serve(new_settings(tmp_path))

    assert await request(served.url, method, path, headers) == 403
    assert not served.pacer.is_halted


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/admin/market", {"Host": "localhost:9000"}),
        ("/admin/market", {"Host": "[::1]:9000"}),
        ("/admin/market", {"Sec-Fetch-Site": "same-origin"}),
    ],
)
async def test_program_on_this_machine_is_served(
    serve: Serve, tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    served = await serve(new_settings(tmp_path))

    assert await request(served.url, "POST", path, headers) == 200
    assert served.pacer.is_halted


async def test_container_name_reaches_the_trading_api(serve: Serve, tmp_path: Path) -> None:
    served = await serve(new_settings(tmp_path))

    assert await request(served.url, "GET", "/api/clock", {"Host": "venue:9000"}) == 200


@needs_root
@pytest.mark.parametrize("line", [b"GET /api/clock", b"POST /admin/market", b"GET /ws/account"])
async def test_another_user_of_this_machine_is_refused(serve: Serve, tmp_path: Path, line: bytes) -> None:
    parts = urlsplit((await serve(new_settings(tmp_path))).url)
    connection = connect_as_other_user(str(parts.hostname), parts.port or 0)
    request = line + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

    assert (await asyncio.to_thread(exchange, connection, request)).startswith(b"HTTP/1.1 403 Forbidden")


async def test_other_machines_reach_the_trading_api_alone(serve: Serve, tmp_path: Path) -> None:
    served = await serve(replace(new_settings(tmp_path), host="0.0.0.0"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it chooses the address of the default route
        except OSError:
            pytest.skip("this machine has no address in a network")
        address = probe.getsockname()[0]
    url = served.url.replace("0.0.0.0", address)

    assert await request(url, "GET", "/api/clock", {}) == 200
    assert await request(url, "POST", "/admin/market", {"Host": "localhost"}) == 403
