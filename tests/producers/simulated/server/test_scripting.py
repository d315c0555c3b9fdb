"""What can be staged at the venue."""

import asyncio
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from producers.ports import DeadManSwitch, Overloaded, RequestRefused
from producers.simulated.app import Served
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FaultSettings
from schemas.units import MILLISECOND_NS, Side
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, new_settings

BUY = decision(Side.BUY, "50", quantity="0.1")


@pytest.fixture
async def model(serve: Serve, tmp_path: Path) -> Served:
    return await serve(new_settings(tmp_path))


@pytest.fixture
async def own(model: Served, new_client: NewClient) -> SimulatedVenue:
    return await new_client(model.url)


async def post(served: Served, what: str, body: object) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/admin/{what}", json=body) as answer,
    ):
        return answer.status


async def test_a_price_goes_the_way_it_is_told_to_with_the_volume_it_is_told(model: Served) -> None:
    before = model.venue.candles(PERP, "1m", 1)[-1].volume
    scenes = [{"price": "90", "volume": "400"}, {"price": "80.5"}]
    assert await post(model, "path", {"symbol": PERP, "scenes": scenes}) == 200
    model.venue.tick()
    assert model.venue.books.account.quotes[PERP].last == Decimal("90.0")
    assert model.venue.candles(PERP, "1m", 1)[-1].volume == before + 400
    model.venue.tick()
    model.venue.tick()
    assert Decimal(78) < model.venue.books.account.quotes[PERP].last < Decimal(83)


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("path", {"symbol": "no", "scenes": []}),
        ("path", {"symbol": PERP, "scenes": [{"price": "0"}]}),
        ("silence", {"silent": True}),
        ("refusals", {"count": 0, "reason": "other"}),
        ("order", {"symbol": PERP, "side": "buy", "price": "0.01", "quantity": "1"}),
    ],
)
async def test_nonsense_is_refused(model: Served, what: str, body: object) -> None:
    assert await post(model, what, body) == 400


async def test_a_recording_goes_the_way_it_went(served: Served) -> None:
    assert await post(served, "path", {"symbol": PERP, "scenes": []}) == 400


async def test_a_silent_feed_has_its_socket_open(model: Served, own: SimulatedVenue) -> None:
    stream = own.market([PERP])
    await anext(stream)
    await post(model, "silence", {"is_silent": True})
    model.pacer.proceed(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await anext(stream)
    assert model.venue.cursor.tick == 1


async def test_the_next_orders_are_refused_and_then_no_more(model: Served, own: SimulatedVenue) -> None:
    await post(model, "refusals", {"count": 1, "reason": "insufficient_margin"})
    with pytest.raises(RequestRefused) as refused:
        await own.place(PERP, BUY)
    assert refused.value.reason is RejectReason.INSUFFICIENT_MARGIN
    await own.place(PERP, BUY)


async def test_a_burst_of_rate_limits_ends(model: Served, own: SimulatedVenue) -> None:
    await post(model, "refusals", {"count": 2, "reason": "rate_limited"})
    for _ in range(2):
        with pytest.raises(Overloaded):
            await own.open_orders(PERP)
    assert await own.open_orders(PERP) == []


async def test_an_order_by_hand_is_placed_whatever_goes_wrong(model: Served) -> None:
    model.faults.settings = FaultSettings(overloaded=1.0)
    body = {"symbol": PERP, "side": "buy", "price": "50", "quantity": "1", "client_order_id": "by-hand"}
    assert await post(model, "order", body) == 200
    assert "by-hand" in model.venue.books.account.open_orders[PERP]


async def test_every_order_takes_as_long_as_it_is_told_to(model: Served, own: SimulatedVenue) -> None:
    model.faults.settings = FaultSettings(latency=100 * MILLISECOND_NS)
    started = asyncio.get_running_loop().time()
    await own.place(PERP, BUY)
    assert asyncio.get_running_loop().time() - started >= 0.1


async def test_a_dead_man_s_switch_cancels_when_nobody_asks_again(model: Served, own: SimulatedVenue) -> None:
    assert isinstance(own, DeadManSwitch)
    await own.place(PERP, BUY)
    await own.cancel_all_after(PERP, 60)
    await own.cancel_all_after(PERP, 0.05)
    async with asyncio.timeout(5):
        async for update in own.account():
            if isinstance(update.event, OrderReport) and update.event.status is OrderStatus.CANCELED:
                break
    assert not model.venue.books.account.open_orders[PERP]


async def test_a_switch_can_be_taken_back(model: Served, own: SimulatedVenue) -> None:
    await own.place(PERP, BUY)
    await own.cancel_all_after(PERP, 0.05)
    await own.cancel_all_after(PERP, 0)
    later = asyncio.Event()
    # Of the loop that the venue runs on: what was due before has been done by then.
    asyncio.get_running_loop().call_later(0.06, later.set)
    await later.wait()
    assert await own.open_orders(PERP)
