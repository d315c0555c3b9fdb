"""Hostile input over HTTP and at the WebSocket handshake ends as a refusal, not as an internal error."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import jwt
import pytest
import pytest_asyncio

from bus import Bus
from liveserver.auth.authenticator import COOKIE
from liveserver.auth.roles import Role
from liveserver.hub.replica import Replica
from tests.liveserver.auth_fixtures import KEYS, SECRET, access, claims
from tests.liveserver.watching import serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 20.0
WS = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
DEEP = "[" * 2000 + "]" * 2000
KEY = f"Authorization: Bearer {KEYS[Role.ADMIN]}\r\n"
HUGE_EXPIRY = jwt.api_jws.PyJWS().encode(
    json.dumps({**claims(exp=0), "exp": 1}).replace('"exp": 1', '"exp": 1' + "0" * 400).encode(),
    SECRET,
    "HS256",
)
DEEP_HEADER = urlsafe_b64encode(f'{{"a":{DEEP[:900]}'.encode()).decode().rstrip("=") + ".e30.AAAA"


def request(line: str, headers: str = "", body: bytes = b"") -> bytes:
    if body:
        headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{line} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n".encode() + body


HOSTILE = {
    "cookie of backslashes": (
        401,
        request("GET /api/symbols", f'Cookie: {COOKIE}="' + "\\" * 7000 + '"\r\n'),
    ),
    "long header": (431, request("GET /api/symbols", f"X: {'x' * 9000}\r\n")),
    "many headers": (431, request("GET /api/symbols", "X: y\r\n" * 200)),
    "long query": (414, request("GET /api/symbols?" + "a&" * 3000)),
    "malformed origin": (403, request("POST /api/session", "Origin: http://[\r\n", b'{"token":"x"}')),
    "expiry of 400 digits": (401, request("GET /api/symbols", f"Authorization: Bearer {HUGE_EXPIRY}\r\n")),
    "deep token": (401, request("GET /api/symbols", f"Authorization: Bearer {DEEP_HEADER}\r\n")),
    "null byte": (404, request("GET /static/%00")),
    "null byte in a name": (404, request("GET /static/x%00.css")),
    "name too long for a file": (404, request(f"GET /static/{'a' * 300}.css")),
    "deep login": (400, request("POST /api/session", "", f'{{"token":{DEEP}}}'.encode())),
    "login not in UTF-8": (400, request("POST /api/session", "", b'{"token":"\xff"}')),
    "deep command": (400, request("POST /api/control", KEY, f'{{"command":"pause","x":{DEEP}}}'.encode())),
    "command not in UTF-8": (400, request("POST /api/control", KEY, b'{"command":"\xff"}')),
    "no HTTP": (400, b"\0\r\n\r\n"),
    "upgrade by POST": (
        405,
        request("POST /ws", WS.replace("Connection: Upgrade\r\n", "Connection: Upgrade, close\r\n")),
    ),
    "upgrade with many headers": (
        431,
        f"GET /ws HTTP/1.1\r\nHost: x\r\n{WS}{'X: y' * 1}\r\n".encode() + b"X: y\r\n" * 200 + b"\r\n",
    ),
    "upgrade with a long header": (
        431,
        f"GET /ws HTTP/1.1\r\nHost: x\r\n{WS}X: {'x' * 9000}\r\n\r\n".encode(),
    ),
    "handshake of a malformed origin": (
        403,
        f"GET /ws HTTP/1.1\r\nHost: x\r\n{WS}Origin: http://[\r\n\r\n".encode(),
    ),
    "handshake with a huge expiry": (
        401,
        f"GET /ws HTTP/1.1\r\nHost: x\r\n{WS}Authorization: Bearer {HUGE_EXPIRY}\r\n\r\n".encode(),
    ),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    """Run a live server with authentication."""
    async with serving(module_bus.url, access=access()) as replica:
        yield replica


async def status_of(replica: Replica, sent: bytes) -> int:
    parts = urlsplit(replica.address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(sent)
    async with asyncio.timeout(TIMEOUT_S):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_request_is_refused(replica: Replica, name: str) -> None:
    status, sent = HOSTILE[name]

    assert await status_of(replica, sent) == status


async def test_upgrade_by_head_is_answered(replica: Replica) -> None:
    assert await status_of(replica, f"HEAD /ws HTTP/1.1\r\nHost: localhost\r\n{WS}\r\n".encode()) == 426


async def test_deep_message_is_answered_with_an_error(replica: Replica) -> None:
    key = {"Authorization": f"Bearer {KEYS[Role.VIEWER]}"}
    async with watching(replica, subprotocols=["opensqt.v2"], additional_headers=key) as watcher:
        await watcher.socket.send(
            '{"type":"subscribe","data":{"topics":[{}]},"x":' + "[" * 1500 + "]" * 1500 + "}"
        )

        assert "recursion" in (await watcher.until("error"))["error"]


async def test_hostile_requests_are_not_logged_each(
    replica: Replica, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("null byte", "no HTTP", "handshake of a malformed origin", "malformed origin") * 25:
        await status_of(replica, HOSTILE[name][1])

    assert len(capfd.readouterr().err.splitlines()) <= 3
