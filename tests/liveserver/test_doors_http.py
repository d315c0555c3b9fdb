"""The doors over HTTP: each refusal is clear, counted, and disturbs nothing else; cookies; who may what."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bus import Bus
from liveserver.auth.authenticator import COOKIE
from liveserver.auth.roles import Role
from liveserver.auth.settings import Access, AccessRefused
from liveserver.http.app import CONTENT_SECURITY_POLICY, LARGEST_BODY
from liveserver.hub.replica import Replica
from tests.liveserver import events
from tests.liveserver.people import KEYS, RSA, STRICT, access, bearer, token
from tests.liveserver.watching import say, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER, OPERATOR, ADMIN = (KEYS[role] for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN))
PAUSE = {"command": "pause", "symbol": "BTCUSDT", "wait_s": 0}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    """Serve one symbol to those who have a key or a token."""
    await say(module_bus, events.candle(1), events.ticker("100"), events.grid())
    async with serving(module_bus.url, access=access()) as replica:
        async with watching(replica, additional_headers=bearer(VIEWER)) as watcher:
            await watcher.until("symbols")
        yield replica


@pytest_asyncio.fixture(loop_scope="module")
async def client(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    """Ask it."""
    async with httpx.AsyncClient(base_url=replica.address) as client:
        yield client


def count(replica: Replica, reason: str) -> float:
    return replica.metrics.registry.get_sample_value("live_server_refused_total", {"reason": reason}) or 0.0


async def test_the_page_its_files_its_schema_and_a_short_health_are_everybodys(
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
async def test_nothing_is_shown_to_who_does_not_say_who_it_is(
    client: httpx.AsyncClient, replica: Replica, path: str
) -> None:
    before = count(replica, "no_token")

    answer = await client.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="opensqt"'
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.json()["error"] == "no_token"
    assert count(replica, "no_token") == before + 1


@pytest.mark.parametrize("text", [VIEWER, token(role="viewer"), token()])
async def test_who_says_who_it_is_is_shown_everything(client: httpx.AsyncClient, text: str) -> None:
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
async def test_a_command_is_refused_clearly_and_counted(
    client: httpx.AsyncClient, replica: Replica, headers: dict[str, str], status: int, error: str
) -> None:
    before = count(replica, error)

    answer = await client.post("/api/control", json=PAUSE, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "what", "hint"}
    assert count(replica, error) == before + 1
    assert (await client.get("/api/symbols", headers=bearer(VIEWER))).status_code == 200


async def test_what_changes_what_is_traded_needs_an_admin(client: httpx.AsyncClient) -> None:
    remove = {**PAUSE, "command": "remove"}

    answer = await client.post("/api/control", json=remove, headers=bearer(OPERATOR))

    assert answer.status_code == 403
    assert (
        "operator-ann is operator and may not give commands that change what is traded"
        in answer.json()["what"]
    )


@pytest.mark.parametrize("query", ["token=abc", "access_token=abc&symbol=BTCUSDT", f"x={ADMIN}"])
async def test_a_token_in_an_address_is_refused_and_said_why(
    client: httpx.AsyncClient, replica: Replica, query: str
) -> None:
    answer = await client.get(f"/api/symbols?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"] == "token_in_query"
    assert "Take this one for lost" in answer.json()["what"]
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert count(replica, "token_in_query") >= 1


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    body = {**PAUSE, "reason": "x" * LARGEST_BODY}

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
async def test_a_body_that_makes_no_sense_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {**bearer(OPERATOR), "content-type": "application/json"}

    answer = await client.post("/api/control", content=body, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


async def logged_in(client: httpx.AsyncClient, text: str, **headers: str) -> httpx.Response:
    return await client.post("/api/session", json={"token": text}, headers=headers)


async def test_a_token_is_exchanged_for_a_cookie_and_given_back(replica: Replica) -> None:
    async with httpx.AsyncClient(base_url=replica.address) as client:
        answer = await logged_in(client, OPERATOR, origin=replica.address)
        shown = await client.get("/api/symbols")
        who = (await client.get("/api/session")).json()
        gone = await client.delete("/api/session")
        after = await client.get("/api/symbols")

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
    assert "Secure" not in cookie
    assert (who["name"], who["role"], who["is_identified"]) == ("operator-ann", "operator", True)
    assert "pause" in [each["name"] for each in who["commands"]]
    assert (shown.status_code, gone.status_code, after.status_code) == (200, 204, 401)


async def test_a_cookie_lives_as_long_as_its_token_and_is_for_https_where_the_page_is(
    replica: Replica,
) -> None:
    async with httpx.AsyncClient(base_url=replica.address) as client:
        host = replica.address.removeprefix("http://")
        cookie = (await logged_in(client, token(), origin=f"https://{host}")).headers["set-cookie"]

    assert "Secure" in cookie
    assert 500 < int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 630


@pytest.mark.parametrize("text", ["sqt_wrong", token(exp=1)])
async def test_a_wrong_token_is_no_login(client: httpx.AsyncClient, text: str) -> None:
    answer = await logged_in(client, text)

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
async def test_a_cookie_gives_no_command_for_somebody_elses_page(
    replica: Replica, origin: str | None
) -> None:
    headers = {"origin": origin} if origin else {}
    async with httpx.AsyncClient(base_url=replica.address) as client:
        await logged_in(client, ADMIN)
        answer = await client.post("/api/control", json=PAUSE, headers=headers)
        own = await client.post("/api/control", json=PAUSE, headers={"origin": replica.address})

    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_origin")
    assert own.json()["error"] == "not_traded"


async def test_somebody_elses_page_logs_nobody_in_or_out(client: httpx.AsyncClient) -> None:
    inside = await logged_in(client, VIEWER, origin="https://evil.example")
    out = await client.delete("/api/session", headers={"origin": "https://evil.example"})

    assert (inside.status_code, out.status_code) == (403, 403)


async def test_a_flood_is_refused_and_others_are_served(module_bus: Bus) -> None:
    given = access(rates=STRICT, trusted_proxies=("127.0.0.1",))
    async with (
        serving(module_bus.url, access=given) as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        flood = [await client.get("/api/session", headers={"x-forwarded-for": "6.6.6.6"}) for _ in range(5)]
        other = await client.get("/api/session", headers={"x-forwarded-for": "7.7.7.7"})
        refused = count(replica, "too_many_requests")

    assert [answer.status_code for answer in flood] == [200, 200, 200, 429, 429]
    assert flood[-1].headers["retry-after"] == "1000"
    assert (other.status_code, refused) == (200, 2)


async def test_one_who_asks_too_often_waits_wherever_it_asks_from(module_bus: Bus) -> None:
    given = access(rates=STRICT, trusted_proxies=("127.0.0.1",))
    async with (
        serving(module_bus.url, access=given) as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        answers = [
            await client.get("/api/status", headers={**bearer(VIEWER), "x-forwarded-for": f"6.6.6.{i}"})
            for i in range(4)
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


async def test_a_stranger_that_points_its_name_here_sees_nothing(module_bus: Bus) -> None:
    async with serving(module_bus.url) as replica, httpx.AsyncClient(base_url=replica.address) as client:
        answer = await client.get("/api/symbols", headers={"host": "evil.example"})
        command = await client.post("/api/control", json=PAUSE, headers={"origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_host")
    assert (command.status_code, command.json()["error"]) == (403, "foreign_origin")


async def test_without_authentication_everything_is_as_it_was(module_bus: Bus) -> None:
    async with serving(module_bus.url) as replica, httpx.AsyncClient(base_url=replica.address) as client:
        who: dict[str, Any] = (await client.get("/api/session")).json()
        health = (await client.get("/health")).json()

    assert (who["name"], who["role"], who["can_log_in"], who["may_watch"]) == ("local", "admin", False, True)
    assert health["replica"] == replica.name


async def test_a_network_is_not_served_without_authentication() -> None:
    with pytest.raises(AccessRefused):
        async with serving("nats://127.0.0.1:1", http_host="0.0.0.0", access=Access()):
            pass
