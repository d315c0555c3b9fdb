"""Requests that web pages can make a browser send are refused; those of programs are not."""

from pathlib import Path

import aiohttp
import pytest

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
