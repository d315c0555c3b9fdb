"""The HTTP side: the page and its headers, files, health, status, metrics, the view as JSON."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bus import Bus
from liveserver.http.app import CONTENT_SECURITY_POLICY
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.watching import say, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(module_bus: Bus) -> AsyncIterator[httpx.AsyncClient]:
    """Ask a live server that shows two symbols."""
    await say(
        module_bus, events.candle(1), events.grid(), events.ticker("100"), events.ticker("7", symbol=ETH)
    )
    async with serving(module_bus.url, replica="one") as replica:
        async with watching(replica) as watcher:
            await watcher.until("symbols")
        async with httpx.AsyncClient(base_url=replica.address) as client:
            yield client


@pytest.mark.parametrize("path", ["/", "/live"])
async def test_the_page_comes_with_its_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<title>OpenSQT</title>" in answer.text


async def test_a_file_is_sent_again_only_when_it_changed(client: httpx.AsyncClient) -> None:
    first = await client.get("/static/main.js")
    again = await client.get("/static/main.js", headers={"if-none-match": first.headers["etag"]})

    assert (first.status_code, again.status_code) == (200, 304)
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert again.content == b""


@pytest.mark.parametrize(
    "path", ["/static/absent.js", "/static/..%2f..%2fapp.py", "/static/messages.d.ts", "/absent"]
)
async def test_nothing_else_is_served_and_errors_have_the_headers_too(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_health_says_how_it_is(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()

    assert (health["status"], health["clients"], health["replica"]) == ("ok", 0, "one")
    assert health["uptime"] >= 0
    assert health["time"] > 1_700_000_000


async def test_status_says_what_it_shows(client: httpx.AsyncClient) -> None:
    status = (await client.get("/status")).json()

    assert status["bus"]["connected"] is True
    assert status["liveserver"]["state"] == "live"
    assert status["liveserver"]["symbols"] == ["BTCUSDT", "ETHUSDT"]


async def test_metrics_have_the_names_that_were_promised(client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics")).text

    assert "live_server_connected_clients 0.0" in text
    assert 'live_server_messages_sent_total{type="history"} 1.0' in text
    assert "live_server_broadcast_latency_seconds_bucket" in text


async def test_the_symbols_are_listed(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/api/symbols")).json()

    assert [(each["symbol"], each["market"], each["price"]) for each in listed] == [
        ("BTCUSDT", "BTC/USDT:USDT", "100"),
        ("ETHUSDT", "ETH/USDT:USDT", "7"),
    ]


async def test_a_snapshot_is_what_a_new_viewer_is_told(client: httpx.AsyncClient) -> None:
    snapshot = (await client.get("/api/snapshot", params={"symbol": "BTCUSDT"})).json()

    assert (snapshot["venue"], snapshot["symbol"], snapshot["interval"]) == ("sim", "BTC/USDT:USDT", "1m")
    assert [message["type"] for message in snapshot["messages"]][:2] == ["history", "orders"]


async def test_a_snapshot_of_an_unknown_symbol_names_the_known_ones(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/snapshot", params={"symbol": "DOGEUSDT"})

    assert answer.status_code == 404
    assert answer.json()["error"] == "unknown_symbol"
    assert answer.json()["what"] == "there is no symbol DOGEUSDT; there is BTCUSDT, ETHUSDT"


async def test_a_plain_request_to_the_socket_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ws")

    assert answer.status_code == 426


async def test_without_a_bus_there_is_health_and_an_empty_list() -> None:
    async with (
        serving("nats://127.0.0.1:1") as replica,
        httpx.AsyncClient(base_url=replica.address) as client,
    ):
        health = (await client.get("/health")).json()

        assert (health["status"], health["state"]) == ("starting", "waiting")
        assert (await client.get("/api/symbols")).json() == []
        assert (await client.get("/api/snapshot")).status_code == 503
        assert "live_server_connected_clients" in (await client.get("/metrics")).text
