"""Client of the simulated venue against a running venue."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from time import time_ns

import aiohttp
import pytest

from producers.ports import (
    AccountUpdate,
    MarketUpdate,
    OrderUnknown,
    OutcomeUnknown,
    RequestRejected,
    VenueUnreachable,
)
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason, Trade
from tests.builders import SIM
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import (
    PERP,
    PERPETUAL,
    START_NS,
    decision,
    order,
    recording_settings,
)

A = ClientOrderId("a")
BUY, SELL = Side.BUY, Side.SELL


async def tick(client: SimulatedVenue, market: AsyncGenerator[MarketUpdate, None]) -> MarketUpdate:
    await client.proceed()
    return await anext(market)


def last(update: MarketUpdate) -> str:
    return next(str(event.last) for event in update.events if isinstance(event, Ticker))


async def reports(
    client: SimulatedVenue, account: AsyncGenerator[AccountUpdate, None], n: int
) -> list[object]:
    return [(await anext(account)).event for _ in range(n)]


async def test_instruments_are_served(client: SimulatedVenue) -> None:
    assert await client.instruments() == [PERPETUAL]


async def test_clock_is_market_time(client: SimulatedVenue) -> None:
    assert (await client.clock()).time == START_NS


async def test_market_stream_starts_with_a_snapshot(client: SimulatedVenue) -> None:
    async with aclosing(client.market([PERP])) as market:
        up, ticker, candle = (await anext(market)).events

    assert isinstance(up, FeedChanged)
    assert up.state is FeedState.UP
    assert isinstance(ticker, Ticker)
    assert (ticker.bid, ticker.ask, ticker.last, ticker.time) == (
        Decimal(100),
        Decimal("100.1"),
        Decimal(100),
        START_NS,
    )
    assert isinstance(candle, Candle)
    assert not candle.closed


async def test_each_proceed_makes_one_tick_until_the_last(client: SimulatedVenue) -> None:
    prices = []
    async with aclosing(client.market([PERP])) as market:
        async for update in market:
            prices.append(last(update))
            await client.proceed()

    assert prices == ["100.0", "99.0", "101.0", "100.5", "100.5", "99.0", "101.0", "100.5"]
    assert update.is_last


async def test_repeated_proceed_makes_one_tick(client: SimulatedVenue, served: RunningVenue) -> None:
    async with aclosing(client.market([PERP])) as market:
        await anext(market)
        await client.proceed()
        await client.proceed()
        await anext(market)
        await client.clock()

    assert served.venue.cursor.tick == 1


async def test_market_of_an_unknown_symbol_is_rejected(client: SimulatedVenue) -> None:
    async with aclosing(client.market([Symbol("DOGE/USDT")])) as market:
        with pytest.raises(RequestRejected):
            await anext(market)


async def test_candles_are_served_up_to_the_current_tick(client: SimulatedVenue) -> None:
    async with aclosing(client.market([PERP])) as market:
        for _ in range(4):
            await anext(market)
            await client.proceed()
        await anext(market)
        closed, forming = await client.candles(PERP, "1m", 10)

    assert (closed.closed, closed.close, forming.closed) == (True, Decimal("100.5"), False)


async def test_order_appears_in_response_events_query_and_trades(client: SimulatedVenue) -> None:
    async with aclosing(client.account()) as account, aclosing(client.market([PERP])) as market:
        assert await anext(account) == AccountUpdate(0, None)
        await anext(market)
        accepted = await client.place(PERP, decision(BUY, "99.5"))
        update = await tick(client, market)
        new, trade, filled, position, balance = await reports(client, account, 5)

    assert accepted == new
    assert isinstance(trade, Trade)
    assert isinstance(filled, OrderReport)
    assert (filled.status, filled.cumulative_quantity) == (OrderStatus.FILLED, Decimal(1))
    assert await client.query(PERP, A) == filled
    assert await client.trades_since(PERP, 0) == [trade]
    assert await client.positions() == [position]
    assert await client.balances() == [balance]
    assert update.account_sequence == await client.account_sequence() == 5


async def test_cancel_response_equals_the_published_report(client: SimulatedVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await client.place(PERP, decision(BUY, "90"))
        response = await client.cancel(PERP, A)
        _, published = await reports(client, account, 2)

    assert response == published == await client.query(PERP, A)
    assert response.status is OrderStatus.CANCELED


async def test_open_orders_are_listed(client: SimulatedVenue) -> None:
    await client.place(PERP, decision(BUY, "90", "a"))
    await client.place(PERP, decision(SELL, "110", "b"))

    assert [(o.client_order_id, o.side) for o in await client.open_orders(PERP)] == [("a", BUY), ("b", SELL)]


async def test_trades_since_a_time_include_those_of_that_time(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    for name in "abc":
        served.venue.tick()
        await client.place(PERP, decision(BUY, "102", name, post_only=False))
    trades = await client.trades_since(PERP, 0)

    assert [t.trade_id for t in trades] == ["1", "2", "3"]
    assert await client.trades_since(PERP, trades[1].time) == trades[1:]
    assert await client.trades_since(PERP, trades[2].time + 1) == []


async def test_pages_that_end_within_one_time_lose_and_repeat_nothing(
    client: SimulatedVenue, served: RunningVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.simulated.client.client.MAX_PAGE_ROWS", 100)
    monkeypatch.setattr("producers.simulated.server.venue.MAX_PAGE_ROWS", 100)
    for ids in (range(150), range(150, 450)):
        served.venue.tick()
        for number in ids:
            served.venue.place(order(BUY, "102", "0.01", f"a{number}"))
    trades = await client.trades_since(PERP, 0)

    assert [t.trade_id for t in trades] == [str(number + 1) for number in range(450)]
    assert await client.trades_since(PERP, trades[-1].time) == trades[150:]


async def test_rejection_has_its_reason(client: SimulatedVenue) -> None:
    with pytest.raises(RequestRejected) as caught:
        await client.place(PERP, decision(BUY, "101"))

    assert caught.value.reason is RejectReason.POST_ONLY_WOULD_CROSS
    assert await client.account_sequence() == 0


async def test_missing_order_is_unknown(client: SimulatedVenue) -> None:
    with pytest.raises(OrderUnknown):
        await client.cancel(PERP, A)
    with pytest.raises(OrderUnknown):
        await client.query(PERP, A)


async def test_unknown_symbol_is_rejected(client: SimulatedVenue) -> None:
    with pytest.raises(RequestRejected) as caught:
        await client.cancel(Symbol("DOGE/USDT"), A)

    assert caught.value.reason is RejectReason.UNKNOWN_SYMBOL


async def test_refused_connection_is_venue_unreachable(new_client: NewClient, unused_tcp_port: int) -> None:
    client = await new_client(f"http://127.0.0.1:{unused_tcp_port}")

    with pytest.raises(VenueUnreachable):
        await client.place(PERP, decision(BUY, "90"))


async def test_lost_connection_leaves_the_outcome_unknown(new_client: NewClient) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        client = await new_client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(OutcomeUnknown):
            await client.place(PERP, decision(BUY, "90"))


async def test_unavailable_venue_leaves_the_outcome_unknown(new_client: NewClient) -> None:
    async def shut_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(shut_down, "127.0.0.1", 0) as server:
        client = await new_client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(OutcomeUnknown):
            await client.place(PERP, decision(BUY, "90"))


@pytest.mark.parametrize("offset_ns", [-6 * SECOND_NS, 2 * SECOND_NS])
async def test_timestamp_outside_the_window_is_too_late(client: SimulatedVenue, offset_ns: int) -> None:
    with pytest.raises(RequestRejected, match="too_late"):
        await client.place(PERP, decision(BUY, "90"), time_ns() + offset_ns)
    assert await client.open_orders(PERP) == []


async def test_request_older_than_its_window_is_too_late(served: RunningVenue) -> None:
    body = {"symbol": PERP, "side": "buy", "price": "90", "quantity": "1", "timestamp": START_NS}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/api/order", json=body) as response,
    ):
        body = await response.json()

    assert (response.status, body["reason"]) == (400, "too_late")


async def test_manual_order_without_id_is_accepted(client: SimulatedVenue, served: RunningVenue) -> None:
    body = {"symbol": PERP, "side": "buy", "price": "90", "quantity": "1", "timestamp": time_ns()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/api/order", json=body) as response,
    ):
        assert response.status == 200

    assert [o.client_order_id for o in await client.open_orders(PERP)] == ["web-1"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/order"),
        ("DELETE", f"/api/order?symbol={PERP}&timestamp=yesterday"),
        ("GET", f"/api/trades?symbol={PERP}&after=x"),
        ("GET", f"/api/trades?symbol={PERP}&since=-1"),
        ("GET", "/api/trades?symbol=DOGE"),
        ("GET", f"/api/candles?symbol={PERP}&interval=7m"),
    ],
)
async def test_invalid_request_is_rejected(served: RunningVenue, method: str, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.request(method, served.url + path) as response:
        assert response.status == 400
        assert set(await response.json()) == {"reason", "detail"}


async def test_lost_market_stream_is_reported_and_reconnected(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    async with aclosing(client.market([PERP])) as market:
        await anext(market)
        await disconnect(served, "market")
        await client.proceed()
        events = [event async for update in through_first_ticker(market) for event in update.events]

    assert [e.state for e in events if isinstance(e, FeedChanged)] == [FeedState.DOWN, FeedState.UP]
    assert [str(e.last) for e in events if isinstance(e, Ticker)] == ["99.0"]


async def test_lost_account_stream_is_reported_and_reconnected(
    client: SimulatedVenue, served: RunningVenue
) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await disconnect(served, "account")
        await client.place(PERP, decision(BUY, "90"))

        assert await anext(account) == AccountUpdate(0, None, is_lost=True)
        assert await anext(account) == AccountUpdate(1, None)


async def test_unread_updates_are_conflated_by_the_clock(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recording_settings(tmp_path, ["100 101 99 100.5"] * 50, speed=1e9))
    client = await new_client(served.url)
    async with aclosing(client.market([PERP])) as market:
        await anext(market)
        await served.pacer.run()
        updates = [update async for update in market]
    events = [event for update in updates for event in update.events]

    assert len(updates) < 20
    assert sum(isinstance(event, Candle) and event.closed for event in events) == 50
    assert sum(isinstance(event, Ticker) for event in events) == len(updates)


async def through_first_ticker(
    market: AsyncGenerator[MarketUpdate, None],
) -> AsyncGenerator[MarketUpdate, None]:
    """Yield the updates up to and including the first with a ticker."""
    async for update in market:
        yield update
        if any(isinstance(event, Ticker) for event in update.events):
            return


async def disconnect(served: RunningVenue, stream: str) -> None:
    url = f"{served.url}/admin/disconnect?stream={stream}"
    async with aiohttp.ClientSession() as session, session.post(url) as response:
        assert await response.json() == {"disconnected": 1}


def test_receive_window_is_configurable() -> None:
    client = SimulatedVenue("http://x", venue=SIM, receive_window=2 * SECOND_NS)

    assert (client.receive_window, client.venue) == (2 * SECOND_NS, SIM)
