"""What the earlier page reads of the plain protocol, field by field, with a client of our own."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bus import Bus
from liveserver.hub.replica import Replica
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.auth_fixtures import access
from tests.liveserver.watching import SocketClient, publish, serving, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

FROM_FILE = "null"
"""The origin of a page that was opened from a file."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def replica(module_bus: Bus) -> AsyncIterator[Replica]:
    includes = await publish(module_bus, events.report("a", price="99"))
    await publish(
        module_bus,
        *(events.candle(minute, str(100 + minute)) for minute in range(3)),
        events.sweep(events.open_order("a"), includes=includes),
        events.balance(),
        events.ticker(),
    )
    async with serving(module_bus.url, allowed_origins=frozenset({FROM_FILE})) as replica:
        yield replica


@pytest_asyncio.fixture(loop_scope="module")
async def client(replica: Replica) -> AsyncIterator[SocketClient]:
    async with watching(replica, origin=FROM_FILE) as client:
        yield client


def is_number(value: Any) -> bool:
    """Return whether `parseFloat` of a page reads a number."""
    return isinstance(value, str) and float(value) == float(value)


async def test_history_has_numeric_candles_by_second(client: SocketClient) -> None:
    history = await client.until("history")

    assert [each["time"] % 60 for each in history] == [0, 0, 0]
    assert all(
        is_number(each[name]) for each in history for name in ("open", "high", "low", "close", "volume")
    )


async def test_account_names_asset_symbol_and_balance(client: SocketClient) -> None:
    account = await client.until("account")

    assert (account["asset"], account["symbol"]) == ("USDT", "BTCUSDT")
    assert is_number(account["balance"])


async def test_orders_have_an_id_a_side_a_price_and_a_status(client: SocketClient) -> None:
    (order,) = await client.until("orders")

    assert (order["id"], order["side"], order["status"]) == ("a", "BUY", "NEW")
    assert float(order["price"]) == 99


async def test_changes_of_candle_order_and_trade(client: SocketClient, module_bus: Bus) -> None:
    await client.until("orders")
    await publish(module_bus, events.candle(3, "103", closed=False))
    assert float((await client.until("kline"))["close"]) == 103

    await publish(module_bus, events.trade("t1", "a", "1"))
    trade = await client.until("trade_event")
    assert (trade["side"], float(trade["price"])) == ("buy", 99.5)
    assert isinstance(trade["time"], int)

    await publish(module_bus, events.report("a", OrderStatus.FILLED, "1", price="99"))
    ended = await client.until("orders")
    assert [(each["id"], each["status"]) for each in (ended if isinstance(ended, list) else [ended])] == [
        ("a", "FILLED")
    ]


async def test_page_without_a_login_is_told_why_it_is_closed(module_bus: Bus) -> None:
    async with (
        serving(module_bus.url, access=access(), allowed_origins=frozenset({FROM_FILE})) as replica,
        watching(replica, origin=FROM_FILE) as client,
    ):
        assert await client.wait_closed() == 4401
        assert "needs a key" in (client.socket.close_reason or "")
        assert client.messages == []


async def test_its_sound_is_served(replica: Replica) -> None:
    async with httpx.AsyncClient(base_url=replica.address) as http:
        answer = await asyncio.wait_for(http.get("/coin.mp3"), 10)

    with wave.open(io.BytesIO(answer.content)) as sound:
        assert 0.1 < sound.getnframes() / sound.getframerate() < 1
    assert answer.headers["content-type"] == "audio/wav"
