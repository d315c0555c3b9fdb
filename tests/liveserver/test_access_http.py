"""Access control over HTTP: rejections, cookies, roles, rate limits."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bus import Bus
from liveserver.auth.authenticator import COOKIE
from liveserver.auth.roles import Role
from liveserver.auth.settings import Access, AccessSettingsError
from liveserver.http.app import CONTENT_SECURITY_POLICY, MAX_BODY_BYTES
from liveserver.hub.replica import Replica
from tests.liveserver import events
from tests.liveserver.auth_fixtures import KEYS, RSA, STRICT, access, bearer, token
from tests.liveserver.watching import publish, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER, OPERATOR, ADMIN = (KEYS[role] for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN))
PAUSE = {"command": "pause", "symbol": "BTCUSDT", "wait_s": 0}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    """Run a live server with one symbol and authentication."""
    await publish(module_bus, events.candle(1), events.ticker("100"), events.grid())
    async with serving(module_bus.url, access=access()) as replica:
        async with watching(replica, additional_headers=bearer(VIEWER)) as watcher:
            await watcher.until("symbols")
        yield replica


@pytest_asyncio.fixture(loop_scope="module")
async def client(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    """Connect an HTTP client to it."""
    async with httpx.AsyncClient(base_url=replica.address) as client:
        yield client


def rejections(replica: Replica, reason: str) -> float:
    return replica.metrics.registry.get_sample_value("live_server_refused_total", {"reason": reason}) or 0.0


async def test_page_files_schema_and_short_health_require_no_token(
    client: httpx.AsyncClient,
) -> None:
    answers = [await client.get(path) for path in ("/", "/static/main.js", "/schema/openapi.json", "/health")]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert set(answers[-1].json()) == {"status", "uptime", "time", "state", "clients"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/symbols",
        "/api/snapshot",
        "/api/candles",
        "/api/fills",
        "/api/orders",
        "/api/profit",
        "/api/status",
        "/status",
        "/metrics",
        "/api/control/abc",
    ],
)
async def test_request_without_a_token_is_rejected_and_counted(
    client: httpx.AsyncClient, replica: Replica, path: str
) -> None:
    before = rejections(replica, "no_token")

    answer = await client.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="opensqt"'
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.json()["error"] == "no_token"
    assert rejections(replica, "no_token") == before + 1


@pytest.mark.parametrize("text", [VIEWER, token(role="viewer"), token()])
async def test_request_with_a_valid_token_is_answered(client: httpx.AsyncClient, text: str) -> None:
    answers = [
        await client.get(path, headers=bearer(text)) for path in ("/api/symbols", "/status", "/metrics")
    ]

    assert [answer.status_code for answer in answers] == [200] * 3


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        (bearer("sqt_wrong"), 401, "bad_token"),
        (bearer(token(exp=1)), 401, "expired"),
        (bearer("eyJhbGciOiJub25lIn0.e30."), 401, "bad_token"),
        (bearer(token(RSA, "RS256")), 401, "bad_token"),
        ({"Authorization": "Basic YTpi"}, 401, "bad_token"),
        (bearer(VIEWER), 403, "wrong_role"),
        (bearer(token(role="viewer")), 403, "wrong_role"),
    ],
)
async def test_unauthorized_command_is_rejected_and_counted(
    client: httpx.AsyncClient, replica: Replica, headers: dict[str, str], status: int, error: str
) -> None:
    before = rejections(replica, error)

    answer = await client.post("/api/control", json=PAUSE, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "what", "hint"}
    assert rejections(replica, error) == before + 1
    assert (await client.get("/api/symbols", headers=bearer(VIEWER))).status_code == 200


async def test_configuration_command_requires_an_admin(client: httpx.AsyncClient) -> None:
    remove = {**PAUSE, "command": "remove"}

    answer = await client.post("/api/control", json=remove, headers=bearer(OPERATOR))

    assert answer.status_code == 403
    assert (
        "operator-ann has the role operator and may not give commands that change what is traded"
        in answer.json()["what"]
    )


@pytest.mark.parametrize("query", ["token=abc", "access_token=abc&symbol=BTCUSDT", f"x={ADMIN}"])
async def test_token_in_the_url_is_rejected_with_a_warning(
    client: httpx.AsyncClient, replica: Replica, query: str
) -> None:
    answer = await client.get(f"/api/symbols?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"] == "token_in_query"
    assert "treat this token as compromised" in answer.json()["what"]
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert rejections(replica, "token_in_query") >= 1


async def test_too_large_body_is_rejected(client: httpx.AsyncClient) -> None:
    body = {**PAUSE, "reason": "x" * MAX_BODY_BYTES}

    answer = await client.post("/api/control", json=body, headers=bearer(OPERATOR))

    assert (answer.status_code, answer.json()["error"]) == (413, "request_entity_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"command":"dance","symbol":"BTCUSDT"}',
        b'{"command":"pause"}',
        b'{"x":1}',
        b"\xff",
        b'{"command":"pause","symbol":"BTCUSDT","wait_s":1e9}',
    ],
)
async def test_invalid_body_is_rejected(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {**bearer(OPERATOR), "content-type": "application/json"}

    answer = await client.post("/api/control", content=body, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


async def log_in(client: httpx.AsyncClient, text: str, **headers: str) -> httpx.Response:
    return await client.post("/api/session", json={"token": text}, headers=headers)


async def test_login_sets_a_cookie_and_logout_deletes_it(replica: Replica) -> None:
    async with httpx.AsyncClient(base_url=replica.address) as client:
        answer = await log_in(client, OPERATOR, origin=replica.address)
        symbols = await client.get("/api/symbols")
        session = (await client.get("/api/session")).json()
        logout = await client.delete("/api/session")
        after = await client.get("/api/symbols")

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
    assert "Secure" not in cookie
    assert (session["name"], session["role"], session["is_identified"]) == ("operator-ann", "operator", True)
    assert "pause" in [each["name"] for each in session["commands"]]
    assert all(each["effect"] for each in session["commands"])
    assert (symbols.status_code, logout.status_code, after.status_code) == (200, 204, 401)


async def test_cookie_expires_with_its_token_and_is_secure_on_https(
    replica: Replica,
) -> None:
    async with httpx.AsyncClient(base_url=replica.address) as client:
        host = replica.address.removeprefix("http://")
        cookie = (await log_in(client, token(), origin=f"https://{host}")).headers["set-cookie"]

    assert "Secure" in cookie
    assert 86_300 < int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 86_430


@pytest.mark.parametrize("text", ["sqt_wrong", token(exp=1)])
async def test_login_with_an_invalid_token_is_rejected(client: httpx.AsyncClient, text: str) -> None:
    answer = await log_in(client, text)

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
async def test_command_by_cookie_requires_the_own_origin(replica: Replica, origin: str | None) -> None:
    headers = {"origin": origin} if origin else {}
    async with httpx.AsyncClient(base_url=replica.address) as client:
        await log_in(client, ADMIN)
        answer = await client.post("/api/control", json=PAUSE, headers=headers)
        own = await client.post("/api/control", json=PAUSE, headers={"origin": replica.address})

    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_origin")
    assert own.json()["error"] == "not_traded"


async def test_foreign_page_cannot_log_in_or_out(client: httpx.AsyncClient) -> None:
    login = await log_in(client, VIEWER, origin="https://evil.example")
    logout = await client.delete("/api/session", headers={"origin": "https://evil.example"})

    assert (login.status_code, logout.status_code) == (403, 403)


async def test_requests_are_limited_per_address(module_bus: Bus) -> None:
    settings = access(rates=STRICT, trusted_proxies=("127.0.0.1",))
    async with (
        serving(module_bus.url, access=settings) as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        flood = [await client.get("/api/session", headers={"x-forwarded-for": "6.6.6.6"}) for _ in range(5)]
        other = await client.get("/api/session", headers={"x-forwarded-for": "7.7.7.7"})
        rejected = rejections(replica, "too_many_requests")

    assert [answer.status_code for answer in flood] == [200, 200, 200, 429, 429]
    assert flood[-1].headers["retry-after"] == "1000"
    assert (other.status_code, rejected) == (200, 2)


async def test_requests_are_limited_per_identity_over_all_addresses(module_bus: Bus) -> None:
    settings = access(rates=STRICT, trusted_proxies=("127.0.0.1",))
    async with (
        serving(module_bus.url, access=settings) as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        answers = [
            await client.get("/api/status", headers={**bearer(VIEWER), "x-forwarded-for": f"6.6.6.{i}"})
            for i in range(4)
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


async def test_foreign_host_name_is_rejected_without_authentication(module_bus: Bus) -> None:
    async with serving(module_bus.url) as replica, httpx.AsyncClient(base_url=replica.address) as client:
        answer = await client.get("/api/symbols", headers={"host": "evil.example"})
        command = await client.post("/api/control", json=PAUSE, headers={"origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_host")
    assert (command.status_code, command.json()["error"]) == (403, "foreign_origin")


async def test_without_authentication_clients_are_local_admins(module_bus: Bus) -> None:
    async with serving(module_bus.url) as replica, httpx.AsyncClient(base_url=replica.address) as client:
        session: dict[str, Any] = (await client.get("/api/session")).json()
        health = (await client.get("/health")).json()

    assert (session["name"], session["role"], session["can_log_in"], session["may_watch"]) == (
        "local",
        "admin",
        False,
        True,
    )
    assert health["replica"] == replica.name


async def test_network_host_requires_authentication() -> None:
    with pytest.raises(AccessSettingsError):
        async with serving("nats://127.0.0.1:1", http_host="0.0.0.0", access=Access()):
            pass
