"""A live server of some symbols: the others do not exist for its viewers, commands and readers."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from bus import Bus, Registry
from liveserver.hub.replica import Replica
from schemas import subjects
from tests.builders import BTC, ENTRY, SIM
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.watching import publish, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    """Run a live server of BTC alone, on a bus that also has ETH."""
    for symbol in (BTC, ETH):
        entry = replace(ENTRY, symbol=symbol)
        await Registry(module_bus, "symbols").create(subjects.registry_key(SIM, symbol), entry)
        await publish(
            module_bus, events.candle(1, symbol=symbol), replace(events.ticker("100"), symbol=symbol)
        )
    async with serving(module_bus.url, symbols=frozenset({BTC})) as replica:
        async with watching(replica) as watcher:
            await watcher.until("history")
        yield replica


@pytest_asyncio.fixture(loop_scope="module")
async def client(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=replica.address) as client:
        yield client


async def test_only_served_symbols_are_listed(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/api/symbols")).json()
    assert [each["symbol"] for each in listed] == ["BTCUSDT"]
    assert (await client.get("/health")).json()["symbols"] == ["BTCUSDT"]


async def test_another_symbol_is_an_error_that_names_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/candles", params={"symbol": "ETHUSDT"})
    assert answer.status_code == 404
    assert answer.json()["what"] == "ETHUSDT is not served here; this server has BTCUSDT"


async def test_a_subscription_to_all_has_the_served_symbols(module_bus: Bus, replica: Replica) -> None:
    async with watching(replica, "?symbol=*") as watcher:
        await watcher.until("history")
        await publish(module_bus, replace(events.ticker("7"), symbol=ETH), events.ticker("8"))
        await watcher.until("ticker", lambda data: data["last"] == "8")
        assert not any(data["last"] == "7" for kind, data in watcher.messages if kind == "ticker")


async def test_a_viewer_of_another_symbol_is_told(replica: Replica) -> None:
    async with watching(replica, subprotocols=["opensqt.v2"]) as watcher:
        await watcher.socket.send('{"type":"subscribe","data":{"topics":[{"symbol":"ETHUSDT"}]}}')
        error = await watcher.until("error")
        assert "ETHUSDT is not served here" in error["error"]


@pytest.mark.parametrize("symbol", ["_all", "ETHUSDT", "ETH/USDT:USDT"])
async def test_a_command_to_other_symbols_is_rejected(client: httpx.AsyncClient, symbol: str) -> None:
    answer = await client.post("/api/control", json={"command": "pause", "symbol": symbol, "venue": SIM})
    assert answer.status_code in {400, 404}
    assert "not served here" in answer.json()["what"]
