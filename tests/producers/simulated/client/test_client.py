"""The port to the venue, against a venue that is really served."""

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
    RequestRefused,
    VenueUnreachable,
)
from producers.simulated.app import Served
from producers.simulated.client.client import SimulatedVenue
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol, TradeId
from schemas.venue.market import Candle, FeedChanged, FeedState, Ticker
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason, Trade
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, PERPETUAL, SIM, START_NS, decision, recorded

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


async def test_the_rules_of_each_symbol_are_told(client: SimulatedVenue) -> None:
    assert await client.instruments() == [PERPETUAL]


async def test_the_clock_is_the_market_s(client: SimulatedVenue) -> None:
    assert (await client.clock()).time == START_NS


async def test_the_market_begins_with_how_it_stands(client: SimulatedVenue) -> None:
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


async def test_in_lock_step_each_proceed_brings_one_tick_until_the_last(client: SimulatedVenue) -> None:
    prices = []
    async with aclosing(client.market([PERP])) as market:
        async for update in market:
            prices.append(last(update))
            await client.proceed()

    assert prices == ["100.0", "99.0", "101.0", "100.5", "100.5", "99.0", "101.0", "100.5"]
    assert update.is_last


async def test_a_proceed_counts_once(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.market([PERP])) as market:
        await anext(market)
        await client.proceed()
        await client.proceed()
        await anext(market)
        await client.clock()

    assert served.venue.cursor.tick == 1


async def test_a_symbol_that_is_not_traded_has_no_market(client: SimulatedVenue) -> None:
    async with aclosing(client.market([Symbol("DOGE/USDT")])) as market:
        with pytest.raises(RequestRefused):
            await anext(market)


async def test_candles_are_served_up_to_now(client: SimulatedVenue) -> None:
    async with aclosing(client.market([PERP])) as market:
        for _ in range(4):
            await anext(market)
            await client.proceed()
        await anext(market)
        closed, forming = await client.candles(PERP, "1m", 10)

    assert (closed.closed, closed.close, forming.closed) == (True, Decimal("100.5"), False)


async def test_an_order_lives_through_answer_events_query_and_trades(client: SimulatedVenue) -> None:
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
    assert await client.trades_after(PERP, None) == [trade]
    assert await client.positions() == [position]
    assert await client.balances() == [balance]
    assert update.account_sequence == await client.account_sequence() == 5


async def test_a_cancel_answers_what_the_stream_says(client: SimulatedVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await client.place(PERP, decision(BUY, "90"))
        answer = await client.cancel(PERP, A)
        _, told = await reports(client, account, 2)

    assert answer == told == await client.query(PERP, A)
    assert answer.status is OrderStatus.CANCELED


async def test_open_orders_are_listed(client: SimulatedVenue) -> None:
    await client.place(PERP, decision(BUY, "90", "a"))
    await client.place(PERP, decision(SELL, "110", "b"))

    assert [(o.client_order_id, o.side) for o in await client.open_orders(PERP)] == [("a", BUY), ("b", SELL)]


async def test_trades_after_one_are_the_later_ones(client: SimulatedVenue) -> None:
    for name in "abc":
        await client.place(PERP, decision(BUY, "101", name, post_only=False))

    assert [t.trade_id for t in await client.trades_after(PERP, TradeId("1"))] == ["2", "3"]


async def test_many_trades_come_in_pages(client: SimulatedVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.simulated.client.client.TRADES_A_PAGE", 2)
    monkeypatch.setattr("producers.simulated.server.venue.TRADES_A_PAGE", 2)
    for name in "abcde":
        await client.place(PERP, decision(BUY, "101", name, post_only=False))

    assert len(await client.trades_after(PERP, None)) == 5


async def test_a_refusal_comes_with_its_reason(client: SimulatedVenue) -> None:
    with pytest.raises(RequestRefused) as caught:
        await client.place(PERP, decision(BUY, "101"))

    assert caught.value.reason is RejectReason.POST_ONLY_WOULD_CROSS
    assert await client.account_sequence() == 0


async def test_an_order_that_is_not_there_is_unknown(client: SimulatedVenue) -> None:
    with pytest.raises(OrderUnknown):
        await client.cancel(PERP, A)
    with pytest.raises(OrderUnknown):
        await client.query(PERP, A)


async def test_an_unknown_symbol_is_refused(client: SimulatedVenue) -> None:
    with pytest.raises(RequestRefused) as caught:
        await client.cancel(Symbol("DOGE/USDT"), A)

    assert caught.value.reason is RejectReason.UNKNOWN_SYMBOL


async def test_nobody_there_is_unreachable(new_client: NewClient, unused_tcp_port: int) -> None:
    nobody = await new_client(f"http://127.0.0.1:{unused_tcp_port}")

    with pytest.raises(VenueUnreachable):
        await nobody.place(PERP, decision(BUY, "90"))


async def test_a_connection_that_is_lost_leaves_the_outcome_unknown(new_client: NewClient) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        client = await new_client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(OutcomeUnknown):
            await client.place(PERP, decision(BUY, "90"))


async def test_a_request_older_than_its_window_is_too_late(served: Served) -> None:
    body = {"symbol": PERP, "side": "buy", "price": "90", "quantity": "1", "timestamp": START_NS}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/api/order", json=body) as answer,
    ):
        refused = await answer.json()

    assert (answer.status, refused["reason"]) == (400, "too_late")


async def test_orders_are_placed_by_hand_without_an_id(client: SimulatedVenue, served: Served) -> None:
    body = {"symbol": PERP, "side": "buy", "price": "90", "quantity": "1", "timestamp": time_ns()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/api/order", json=body) as answer,
    ):
        assert answer.status == 200

    assert [o.client_order_id for o in await client.open_orders(PERP)] == ["web-1"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/order"),
        ("DELETE", f"/api/order?symbol={PERP}&timestamp=yesterday"),
        ("GET", f"/api/trades?symbol={PERP}&after=x"),
        ("GET", "/api/trades?symbol=DOGE"),
        ("GET", f"/api/candles?symbol={PERP}&interval=7m"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(served: Served, method: str, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.request(method, served.url + path) as answer:
        assert answer.status == 400
        assert set(await answer.json()) == {"reason", "detail"}


async def test_a_lost_market_stream_is_told_and_made_again(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.market([PERP])) as market:
        await anext(market)
        await disconnect(served, "market")
        await client.proceed()
        events = [event async for update in upto_ticker(market) for event in update.events]

    assert [e.state for e in events if isinstance(e, FeedChanged)] == [FeedState.DOWN, FeedState.UP]
    assert [str(e.last) for e in events if isinstance(e, Ticker)] == ["99.0"]


async def test_a_lost_account_stream_is_told_and_made_again(client: SimulatedVenue, served: Served) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await disconnect(served, "account")
        await client.place(PERP, decision(BUY, "90"))

        assert await anext(account) == AccountUpdate(0, None, is_lost=True)
        assert await anext(account) == AccountUpdate(1, None)


async def test_what_waits_by_the_clock_is_conflated(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recorded(tmp_path, ["100 101 99 100.5"] * 50, speed=1e9))
    client = await new_client(served.url)
    async with aclosing(client.market([PERP])) as market:
        await anext(market)
        await served.pacer.run()
        updates = [update async for update in market]
    events = [event for update in updates for event in update.events]

    assert len(updates) < 20
    assert sum(isinstance(event, Candle) and event.closed for event in events) == 50
    assert sum(isinstance(event, Ticker) for event in events) == len(updates)


async def upto_ticker(market: AsyncGenerator[MarketUpdate, None]) -> AsyncGenerator[MarketUpdate, None]:
    """Yield the updates up to the first with a ticker."""
    async for update in market:
        yield update
        if any(isinstance(event, Ticker) for event in update.events):
            return


async def disconnect(served: Served, stream: str) -> None:
    url = f"{served.url}/admin/disconnect?stream={stream}"
    async with aiohttp.ClientSession() as session, session.post(url) as answer:
        assert await answer.json() == {"disconnected": 1}


def test_the_window_is_what_the_requests_carry() -> None:
    client = SimulatedVenue("http://x", venue=SIM, receive_window=2 * SECOND_NS)

    assert (client.receive_window, client.venue) == (2 * SECOND_NS, SIM)
