"""The HTTP API: time ranges, pagination, ETags, reasons."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from bus import Bus
from liveserver.commands.effects import EFFECTS
from liveserver.http.api import status_etag
from liveserver.http.pagination import page
from liveserver.protocol.server_messages import CandleData
from liveserver.protocol.session_messages import PartData, StatusReport
from schemas.engine.control import CommandName
from schemas.grid.view import NotQuoting
from schemas.reasons.table import Kind
from tests.liveserver import events
from tests.liveserver.events import START_S
from tests.liveserver.watching import publish, serving, watching


def lasting(answer: httpx.Response) -> object:
    """Return a status without what changes with time alone."""
    status = answer.json()
    parts = [{**part, "age_ms": None} for part in status["parts"]]
    return {**status, "uptime": 0, "parts": parts}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(module_bus: Bus) -> AsyncIterator[httpx.AsyncClient]:
    """Connect to a live server with five candles, two trades, an order and two changes of quoting."""
    await publish(
        module_bus,
        *(events.candle(minute) for minute in range(5)),
        events.trade("t1", second=1),
        events.trade("t2", second=2),
        events.report("a"),
        events.quoting(NotQuoting.PAUSED, second=1),
        events.quoting(None, previous=NotQuoting.PAUSED, second=2),
    )
    async with serving(module_bus.url) as replica:
        async with watching(replica) as watcher:
            await watcher.until("symbols")
        async with httpx.AsyncClient(base_url=replica.address) as client:
            yield client


async def test_candles_are_selected_by_range_and_page(client: httpx.AsyncClient) -> None:
    time_range = {"start": START_S + 60, "end": START_S + 240, "limit": 2}
    first = (await client.get("/api/candles", params=time_range)).json()
    second = (await client.get("/api/candles", params={**time_range, "start": first["next"]})).json()

    minutes = [[(row["time"] - START_S) // 60 for row in each["items"]] for each in (first, second)]
    assert minutes == [[1, 2], [3]]
    assert second["next"] is None


async def test_fills_and_orders_are_listed(client: httpx.AsyncClient) -> None:
    fills = (await client.get("/api/fills", params={"symbol": "BTCUSDT"})).json()
    orders = (await client.get("/api/orders")).json()

    assert [fill["trade_id"] for fill in fills["items"]] == ["t1", "t2"]
    assert [order["id"] for order in orders] == ["a"]


async def test_changes_of_quoting_are_listed(client: httpx.AsyncClient) -> None:
    found = (
        await client.get("/api/quoting", params={"symbol": "BTCUSDT", "newest": True, "limit": 1})
    ).json()

    assert [(each["previous"], each["reason"]) for each in found["items"]] == [("paused", None)]
    assert found["previous"] is not None


async def test_unchanged_answer_is_304(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/candles")
    again = await client.get("/api/candles", headers={"if-none-match": first.headers["etag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize(
    ("query", "status"), [("symbol=DOGEUSDT", 404), ("limit=0", 400), ("limit=x", 400), ("start=-1", 400)]
)
async def test_invalid_parameter_is_rejected(client: httpx.AsyncClient, query: str, status: int) -> None:
    assert (await client.get(f"/api/candles?{query}")).status_code == status


async def test_page_never_splits_a_second() -> None:
    rows = [
        CandleData(time=time, open="", high="", low="", close="", volume="") for time in (1, 2, 2, 2, 3, 4)
    ]

    found = page(rows, 0, 9, 2)

    assert [row.time for row in found.items] == [1, 2, 2, 2]
    assert found.next == 3


async def test_every_reason_not_to_quote_is_explained(client: httpx.AsyncClient) -> None:
    reasons = (await client.get("/api/reasons")).json()

    first = {each["reason"]: each["kind"] for each in reversed(reasons)}
    assert [first[each] for each in NotQuoting] == ["not_quoting"] * len(NotQuoting)
    assert {each["kind"] for each in reasons} == set(Kind)
    assert all(each["text"] and each["hint"] for each in reasons)


async def test_every_command_has_an_effect_text() -> None:
    assert set(EFFECTS) == set(CommandName)


@pytest.mark.parametrize(
    ("path", "error", "hint"),
    [
        ("/api/symbols?limt=2", "unknown_parameter", "did you mean limit?"),
        ("/api/candles?intervall=5m", "unknown_parameter", "did you mean interval?"),
        ("/api/reasons?limit=2", "unknown_parameter", "no parameters"),
        ("/api/candles?interval=7m", "unknown_interval", "intervals: 1m"),
        ("/api/snapshot?interval=7m", "unknown_interval", "intervals: 1m"),
        ("/api/orders?limit=1&limit=2", "repeated_parameter", "once"),
        ("/api/orders?limit=0", "bad_request", ""),
    ],
)
async def test_a_parameter_that_cannot_be_honoured_is_rejected(
    client: httpx.AsyncClient, path: str, error: str, hint: str
) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert hint in answer.json()["hint"]


@pytest.mark.parametrize("path", ["/api/symbols", "/api/orders"])
async def test_lists_have_a_limit(client: httpx.AsyncClient, path: str) -> None:
    assert len((await client.get(path, params={"limit": 1})).json()) == 1


@pytest.mark.parametrize("path", ["/api/symbols", "/api/status", "/", "/health", "/static/main.js"])
async def test_head_has_the_headers_of_get(client: httpx.AsyncClient, path: str) -> None:
    head, get = await client.head(path), await client.get(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers.get("content-encoding") == get.headers.get("content-encoding")


async def test_etag_of_the_status_does_not_depend_on_the_uptime(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/status")
    while (later := await client.get("/api/status")).json()["uptime"] == first.json()["uptime"]:
        pass

    assert first.headers["etag"].startswith('W/"')
    assert (later.headers["etag"] == first.headers["etag"]) is (lasting(later) == lasting(first))


async def test_etag_of_the_status_changes_with_the_state_of_a_part_only() -> None:
    part = PartData(kind="engine", name="engine", state="ok", age_ms=10, venues=(), detail="", remedy="")
    report = StatusReport(
        replica="one",
        status="live",
        uptime=1,
        clients=0,
        symbols=(),
        bus_reconnects=0,
        problems=(),
        parts=(part,),
    )

    older = replace(report, uptime=9, parts=(replace(part, age_ms=900),))
    silent = replace(report, parts=(replace(part, state="silent"),))

    assert status_etag(older) == status_etag(report) != status_etag(silent)


async def test_snapshot_has_the_messages_of_a_new_viewer(client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/snapshot", params={"interval": "1m"})).json()

    assert {key: found[key] for key in ("venue", "symbol", "interval")} == {
        "venue": "sim",
        "symbol": "BTC/USDT:USDT",
        "interval": "1m",
    }
    types = [message["type"] for message in found["messages"]]
    assert (types[0], types[-1]) == ("history", "symbols")
