"""The HTTP application: page, headers, static files, health, status, metrics, API."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from bus import Bus
from liveserver.http.app import CONTENT_SECURITY_POLICY
from schemas.units import SECOND_NS
from tests.liveserver import events
from tests.liveserver.events import ETH, START_S
from tests.liveserver.watching import publish, serving, watching

GRID = replace(events.grid(), ledger_from=START_S * SECOND_NS + 1)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(module_bus: Bus) -> AsyncIterator[httpx.AsyncClient]:
    """Connect to a live server with two symbols."""
    await publish(module_bus, events.candle(1), GRID, events.ticker("100"), events.ticker("7", symbol=ETH))
    async with serving(module_bus.url, replica="one") as replica:
        async with watching(replica) as watcher:
            await watcher.until("symbols")
        async with httpx.AsyncClient(base_url=replica.address) as client:
            yield client


@pytest.mark.parametrize("path", ["/", "/live"])
async def test_page_has_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<title>OpenSQT</title>" in answer.text


async def test_unchanged_file_is_304(client: httpx.AsyncClient) -> None:
    first = await client.get("/static/main.js")
    again = await client.get("/static/main.js", headers={"if-none-match": first.headers["etag"]})

    assert (first.status_code, again.status_code) == (200, 304)
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert again.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "/static/absent.js",
        "/static/..%2f..%2fapp.py",
        "/static/messages.d.ts",
        "/static/charts/../../app.py",
        "/absent",
    ],
)
async def test_other_paths_are_404_with_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_health_reports_the_server(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()

    assert (health["status"], health["clients"], health["replica"]) == ("ok", 0, "one")
    assert health["uptime"] >= 0
    assert health["time"] > 1_700_000_000


async def test_status_reports_bus_and_symbols(client: httpx.AsyncClient) -> None:
    status = (await client.get("/status")).json()

    assert status["bus"]["connected"] is True
    assert status["liveserver"]["state"] == "live"
    assert status["liveserver"]["symbols"] == ["BTCUSDT", "ETHUSDT"]


async def test_metrics_have_stable_names(client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text

    assert "live_server_connected_clients 0.0" in text
    assert 'live_server_messages_sent_total{type="history"} 1.0' in text
    assert "live_server_broadcast_latency_seconds_bucket" in text


async def test_symbols_are_listed(client: httpx.AsyncClient) -> None:
    symbols = (await client.get("/api/symbols")).json()

    assert [(each["symbol"], each["market"], each["price"]) for each in symbols] == [
        ("BTCUSDT", "BTC/USDT:USDT", "100"),
        ("ETHUSDT", "ETH/USDT:USDT", "7"),
    ]


async def test_snapshot_has_the_messages_of_a_new_viewer(client: httpx.AsyncClient) -> None:
    snapshot = (await client.get("/api/snapshot", params={"symbol": "BTCUSDT"})).json()

    assert (snapshot["venue"], snapshot["symbol"], snapshot["interval"]) == ("sim", "BTC/USDT:USDT", "1m")
    assert [message["type"] for message in snapshot["messages"]][:2] == ["history", "orders"]


async def test_snapshot_of_an_unknown_symbol_lists_the_known_ones(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/snapshot", params={"symbol": "DOGEUSDT"})

    assert answer.status_code == 404
    assert answer.json()["error"] == "unknown_symbol"
    assert answer.json()["what"] == "there is no symbol DOGEUSDT; known symbols: BTCUSDT, ETHUSDT"


async def test_plain_request_to_the_websocket_path_is_426(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ws")

    assert answer.status_code == 426


async def test_server_without_a_bus_reports_health_and_no_symbols() -> None:
    async with (
        serving("nats://127.0.0.1:1") as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        health = (await client.get("/health")).json()

        assert (health["status"], health["state"]) == ("starting", "waiting")
        assert (await client.get("/api/symbols")).json() == []
        assert (await client.get("/api/snapshot")).status_code == 503
        assert "live_server_connected_clients" in (await client.get("/metrics")).text


async def test_fills_say_since_when_none_is_missing(client: httpx.AsyncClient) -> None:
    page = (await client.get("/api/fills", params={"symbol": "BTCUSDT"})).json()

    assert page["complete_from"] == START_S + 1
