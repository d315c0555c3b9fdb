"""Access control over WebSockets: tokens, roles, redaction, expiry, limits, commands."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from bus import Bus, Message, Registry
from liveserver.auth.authenticator import COOKIE
from liveserver.auth.roles import Role
from liveserver.auth.settings import Access
from liveserver.hub.replica import Replica
from liveserver.protocol.server_messages import Message as ServerMessage
from liveserver.protocol.server_messages import MessageType
from liveserver.protocol.session_messages import ErrorData
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandOutcome, CommandResult
from tests.builders import BTC, SIM
from tests.liveserver import events
from tests.liveserver.auth_fixtures import KEYS, STRICT, access, bearer, token
from tests.liveserver.watching import SocketClient, publish, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER, OPERATOR = KEYS[Role.VIEWER], KEYS[Role.OPERATOR]
V2 = "opensqt.v2"
BY_COOKIE = {"Cookie": f"{COOKIE}={VIEWER}"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def filled_bus(module_bus: Bus) -> Bus:
    """Publish one traded symbol with account, position, grid and trades."""
    await publish(
        module_bus,
        events.candle(1),
        events.ticker("100"),
        events.balance(total="98765.4321"),
        events.position("7.654321"),
        events.grid(position="7.654321"),
        events.trade("t1", "o1", "0.87654321"),
        events.fill("t1", "o1", "0.87654321", profit="5.4321987"),
    )
    await Registry(module_bus, "symbols").create(subjects.registry_key(SIM, BTC), events.ticker())
    return module_bus


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(filled_bus: Bus) -> AsyncIterator[Replica]:
    """Run a live server for it with authentication."""
    async with serving(filled_bus.url, access=access()) as replica:
        async with watching(replica, additional_headers=bearer(VIEWER)) as watcher:
            await watcher.until("symbols")
        yield replica


def rejections(replica: Replica, reason: str) -> float:
    return replica.metrics.registry.get_sample_value("live_server_refused_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": bearer(VIEWER)},
        {"additional_headers": BY_COOKIE},
        {"subprotocols": [V2, f"bearer.{VIEWER}"]},
        {"subprotocols": [f"bearer.{token(role='viewer')}", V2]},
    ],
)
async def test_viewer_authenticates_and_the_token_is_not_echoed(
    replica: Replica, options: dict[str, Any]
) -> None:
    async with watching(replica, **options) as watcher:
        account = await watcher.until("account")
        chosen = watcher.socket.subprotocol

    assert account["balance"] == "98765.4321"
    assert chosen == (V2 if "subprotocols" in options else None)


@pytest.mark.parametrize(
    ("query", "options", "status", "error"),
    [
        ("", {}, 401, "no_token"),
        ("", {"additional_headers": bearer("sqt_wrong")}, 401, "bad_token"),
        ("", {"subprotocols": [V2, "bearer.eyJhbGciOiJub25lIn0.e30."]}, 401, "bad_token"),
        ("", {"additional_headers": bearer(token(exp=1))}, 401, "expired"),
        (f"?token={VIEWER}", {}, 400, "token_in_query"),
        ("", {"additional_headers": bearer(VIEWER), "origin": "https://evil.example"}, 403, "foreign_origin"),
        (
            "",
            {"additional_headers": {"Cookie": f"{COOKIE}={VIEWER}"}, "origin": "https://evil.example"},
            403,
            "foreign_origin",
        ),
    ],
)
async def test_rejected_handshake_names_the_error_and_is_counted(
    replica: Replica, query: str, options: dict[str, Any], status: int, error: str
) -> None:
    before = rejections(replica, error)
    with pytest.raises(InvalidStatus) as raised:
        async with watching(replica, query, **options):
            pass

    assert raised.value.response.status_code == status
    assert raised.value.response.body
    assert rejections(replica, error) == before + 1


async def test_cookie_from_a_foreign_page_is_rejected_despite_wildcard_origin(filled_bus: Bus) -> None:
    async with serving(filled_bus.url, access=access(), allowed_origins=frozenset({"*"})) as replica:
        with pytest.raises(InvalidStatus, match="403"):
            async with watching(replica, additional_headers=BY_COOKIE, origin="https://evil.example"):
                pass
        async with watching(
            replica, additional_headers=bearer(VIEWER), origin="https://evil.example"
        ) as watcher:
            await watcher.until("server")


async def test_expired_token_closes_the_connection(replica: Replica) -> None:
    expiring = token(role="viewer", exp=int(time.time()) - 29)
    async with watching(replica, additional_headers=bearer(expiring)) as watcher:
        code = await watcher.wait_closed()

    assert (code, watcher.socket.close_reason) == (4401, "the token has expired; log in again")


SECRETS = ("98765.4", "7.654", "0.87654321", "5.4321", '"t1"', '"o1"')


@pytest.mark.parametrize("subprotocols", [None, [V2]])
async def test_public_viewer_gets_prices_but_no_amounts(filled_bus: Bus, subprotocols: Any) -> None:
    async with serving(filled_bus.url, access=access(public=True)) as replica:
        async with watching(replica, subprotocols=subprotocols) as public:
            await public.until("symbols")
            await publish(
                filled_bus,
                events.trade(f"t{subprotocols}", "o1", "0.87654321", second=5),
                events.ticker("101.5"),
            )
            trade = await public.until("trade_event")
            await public.until("ticker", lambda data: data["last"] == "101.5")
            server = await public.until("server")
        async with watching(replica, additional_headers=bearer(VIEWER)) as known:
            account = await known.until("account")

    received = json.dumps(public.messages)
    assert not [secret for secret in SECRETS if secret in received]
    assert (trade["price"], trade["amount"], server["redacted"]) == ("99.5", "", True)
    assert account["balance"] == "98765.4321"
    assert {"history", "orders", "position", "account", "grid_state", "trade_history"} <= {
        kind for kind, _ in public.messages
    }


async def test_public_client_gets_no_amounts_in_api_and_replays(filled_bus: Bus) -> None:
    async with (
        serving(filled_bus.url, access=access(public=True)) as replica,
        watching(replica, subprotocols=[V2]) as public,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        await public.until("symbols")
        paths = ("symbols", "snapshot", "candles", "fills", "orders", "profit", "status")
        answers = [await client.get(f"/api/{path}") for path in paths]
        command = await client.post("/api/control", json={"command": "pause", "symbol": "BTCUSDT"})
        replay = {"topics": [{"symbol": "BTCUSDT"}], "from": time.time() - 600, "speed": "max"}
        await public.socket.send(json.dumps({"type": "replay", "data": replay}))
        await public.until("replay", lambda data: data["state"] == "ended")

    received = "".join(answer.text for answer in answers) + json.dumps(public.messages)
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    assert not [secret for secret in SECRETS if secret in received]
    assert command.status_code == 401


async def test_messages_are_limited_per_identity_without_affecting_others(filled_bus: Bus) -> None:
    settings = access(rates=STRICT)
    async with serving(filled_bus.url, access=settings) as replica:
        async with watching(replica, additional_headers=bearer(OPERATOR)) as other:
            async with watching(replica, additional_headers=bearer(VIEWER)) as loud:
                for _ in range(3):
                    await loud.socket.send("hello")
                code = await loud.wait_closed()
            replica.hub.broadcast(ServerMessage(MessageType.ERROR, ErrorData(error="after")))
            await other.until("error", lambda data: data["error"] == "after")
        with pytest.raises(InvalidStatus, match="429"):
            async with watching(replica, additional_headers=bearer(VIEWER)):
                pass
        rejected = rejections(replica, "too_many_messages"), rejections(replica, "too_many_requests")

    assert (code, rejected) == (4429, (1.0, 1.0))


@asynccontextmanager
async def engine(bus: Bus, outcome: CommandOutcome = CommandOutcome.APPLIED) -> AsyncIterator[list[Command]]:
    """Run a fake engine that answers every command to the symbol; yield the commands."""
    commands: list[Command] = []

    async def answer(message: Message) -> None:
        command = decode_as(message.data, Command)
        commands.append(command)
        result = CommandResult(
            venue=SIM,
            symbol=BTC,
            command_id=command.command_id,
            name=command.name,
            outcome=outcome,
            detail="done",
            operator=command.operator,
            reason=command.reason,
            step=7,
            time=command.time,
        )
        await bus.store(subjects.command_result(SIM, BTC), result)

    tasks: set[asyncio.Task[None]] = set()

    def handle(message: Message) -> None:
        tasks.add(asyncio.ensure_future(answer(message)))

    unsubscribe = [await bus.subscribe(subject, handle) for subject in subjects.commands(SIM, BTC)]
    yield commands
    for each in unsubscribe:
        await each()
    await asyncio.gather(*tasks)


async def give_command(watcher: SocketClient, **data: Any) -> Any:
    await watcher.socket.send(json.dumps({"type": "control", "data": {"symbol": "BTCUSDT", **data}}))
    return await watcher.until("command")


async def test_command_on_a_socket_is_answered(filled_bus: Bus, replica: Replica) -> None:
    async with (
        engine(filled_bus) as commands,
        watching(replica, subprotocols=[V2, f"bearer.{OPERATOR}"]) as watcher,
    ):
        await watcher.until("symbols")
        answer = await give_command(watcher, command="reconcile", key="k1", arguments={"accept": "-0.10"})

    assert (answer["state"], answer["outcome"], answer["detail"], answer["key"]) == (
        "answered",
        "applied",
        "done",
        "k1",
    )
    assert [(each.name, each.operator, str(each.accept)) for each in commands] == [
        ("reconcile", "operator-ann", "-0.10")
    ]
    assert commands[0].command_id == answer["command_id"]


@pytest.mark.parametrize(
    ("key", "data", "error"),
    [
        (VIEWER, {"command": "reconcile", "arguments": {"accept": "0"}}, "may not give commands"),
        (
            OPERATOR,
            {"command": "set", "arguments": {"changes": {}}},
            "may not give commands that change what is traded",
        ),
        (OPERATOR, {"command": "pause", "symbol": "DOGEUSDT"}, "unknown symbol DOGEUSDT"),
        (
            OPERATOR,
            {"command": "pause", "arguments": {"operator": "eve"}},
            "unknown command arguments: operator",
        ),
        (OPERATOR, {"command": "reconcile", "arguments": {"dry_run": 3}}, "invalid arguments"),
        (OPERATOR, {"command": "reconcile", "arguments": {"accept": "all"}}, "invalid arguments"),
    ],
)
async def test_invalid_or_unauthorized_command_is_refused_on_its_socket(
    replica: Replica, key: str, data: dict[str, Any], error: str
) -> None:
    async with watching(replica, subprotocols=[V2, f"bearer.{key}"]) as watcher:
        await watcher.until("symbols")
        answer = await give_command(watcher, **data)

    assert answer["state"] == "refused"
    assert error in answer["detail"]


async def test_plain_socket_ignores_commands(filled_bus: Bus, replica: Replica) -> None:
    async with (
        engine(filled_bus) as commands,
        watching(replica, additional_headers=bearer(OPERATOR)) as watcher,
    ):
        await watcher.socket.send('{"type":"control","data":{"symbol":"BTCUSDT","command":"pause"}}')
        await (await watcher.socket.ping())

    assert commands == []


@pytest_asyncio.fixture(loop_scope="module")
async def client(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    """Connect an HTTP client with the operator's key."""
    async with httpx.AsyncClient(base_url=replica.address, headers=bearer(OPERATOR)) as client:
        yield client


async def test_command_over_http_is_answered_and_its_answer_can_be_looked_up(
    filled_bus: Bus, client: httpx.AsyncClient
) -> None:
    body = {"command": "trip", "symbol": BTC, "venue": "sim", "reason": "by hand"}
    async with engine(filled_bus, CommandOutcome.REFUSED) as commands:
        answer = await client.post("/api/control", json=body)
    later = await client.get(f"/api/control/{answer.json()['command_id']}")

    assert (answer.status_code, answer.json()["outcome"], answer.json()["step"]) == (200, "refused", 7)
    assert commands[0].operator == "operator-ann"
    assert later.json() == answer.json()


async def test_command_without_an_engine_is_given_and_can_be_looked_up(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/control", json={"command": "reset", "symbol": "BTCUSDT", "wait_s": 0.05})
    later = await client.get(f"/api/control/{answer.json()['command_id']}")
    unknown = await client.get("/api/control/none")

    assert (answer.status_code, answer.json()["state"], later.json()["state"]) == (202, "given", "given")
    assert answer.json()["detail"].startswith("stored, but no engine has answered; it expires in 30 s")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "unknown_command")


async def stored_pauses(bus: Bus) -> int:
    subject = subjects.command(SIM, BTC, "pause")
    info: dict[str, Any] = await bus.api("STREAM.INFO.CONTROL", {"subjects_filter": subject}, dict)
    return int(info["state"].get("subjects", {}).get(subject, 0))


async def test_command_with_the_same_key_is_given_once(filled_bus: Bus, client: httpx.AsyncClient) -> None:
    body = {"command": "pause", "symbol": "BTCUSDT"}
    headers = {"Idempotency-Key": "once"}
    before = await stored_pauses(filled_bus)
    async with engine(filled_bus):
        first = await client.post("/api/control", json=body, headers=headers)
        again = await client.post("/api/control", json=body, headers=headers)
        other = await client.post("/api/control", json={**body, "command": "resume"}, headers=headers)

    assert first.json() == again.json()
    assert await stored_pauses(filled_bus) == before + 1
    assert (other.status_code, other.json()["error"]) == (409, "other_command")


async def test_command_without_a_bus_is_rejected() -> None:
    async with (
        serving("nats://127.0.0.1:1", access=Access()) as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        answer = await client.get("/api/control/abc")

    assert (answer.status_code, answer.json()["error"]) == (503, "no_bus")
