"""Scripted prices, silence, rejections, manual orders and the dead man's switch."""

import asyncio
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from producers.ports import DeadManSwitch, Overloaded, RequestRejected
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import FaultSettings
from schemas.units import MILLISECOND_NS, Side
from schemas.venue.instruments import PriceBand
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, new_settings

BUY = decision(Side.BUY, "50", quantity="0.1")


@pytest.fixture
async def model(serve: Serve, tmp_path: Path) -> RunningVenue:
    return await serve(new_settings(tmp_path))


@pytest.fixture
async def own(model: RunningVenue, new_client: NewClient) -> SimulatedVenue:
    return await new_client(model.url)


async def post(served: RunningVenue, path: str, body: object) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.url}/admin/{path}", json=body) as response,
    ):
        return response.status


async def test_scripted_ticks_set_price_and_volume(model: RunningVenue) -> None:
    before = model.venue.candles(PERP, "1m", 1)[-1].volume
    scenes = [{"price": "90", "volume": "400"}, {"price": "80.5"}]
    assert await post(model, "path", {"symbol": PERP, "scenes": scenes}) == 200
    model.venue.tick()
    assert model.venue.matching.account.quotes[PERP].last == Decimal("90.0")
    assert model.venue.candles(PERP, "1m", 1)[-1].volume == before + 400
    model.venue.tick()
    model.venue.tick()
    assert Decimal(78) < model.venue.matching.account.quotes[PERP].last < Decimal(83)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("path", {"symbol": "no", "scenes": []}),
        ("path", {"symbol": PERP, "scenes": [{"price": "0"}]}),
        ("silence", {"silent": True}),
        ("refusals", {"count": 0, "reason": "other"}),
        ("order", {"symbol": PERP, "side": "buy", "price": "0.01", "quantity": "1"}),
        ("instrument", {"symbol": "no", "changes": {}}),
        ("instrument", {"symbol": PERP, "changes": {"quote": "EUR"}}),
        ("instrument", {"symbol": PERP, "changes": {"tick_size": "0"}}),
        ("instrument", {"symbol": PERP, "changes": {"status": "closed"}}),
        ("instrument", {"symbol": PERP, "changes": {"fee_asset": "BNB"}}),
    ],
)
async def test_invalid_body_is_rejected(model: RunningVenue, path: str, body: object) -> None:
    assert await post(model, path, body) == 400


async def test_recording_cannot_be_scripted(served: RunningVenue) -> None:
    assert await post(served, "path", {"symbol": PERP, "scenes": []}) == 400


async def test_silent_feed_keeps_its_connection_open(model: RunningVenue, own: SimulatedVenue) -> None:
    stream = own.market([PERP])
    await anext(stream)
    await post(model, "silence", {"is_silent": True})
    model.pacer.proceed(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await anext(stream)
    assert model.venue.cursor.tick == 1


async def test_scripted_rejections_end_after_their_count(model: RunningVenue, own: SimulatedVenue) -> None:
    await post(model, "refusals", {"count": 1, "reason": "insufficient_margin"})
    with pytest.raises(RequestRejected) as caught:
        await own.place(PERP, BUY)
    assert caught.value.reason is RejectReason.INSUFFICIENT_MARGIN
    await own.place(PERP, BUY)


async def test_scripted_rate_limits_end_after_their_count(model: RunningVenue, own: SimulatedVenue) -> None:
    await post(model, "refusals", {"count": 2, "reason": "rate_limited"})
    for _ in range(2):
        with pytest.raises(Overloaded):
            await own.open_orders(PERP)
    assert await own.open_orders(PERP) == []


async def test_manual_order_bypasses_faults(model: RunningVenue) -> None:
    model.faults.settings = FaultSettings(overloaded=1.0)
    body = {"symbol": PERP, "side": "buy", "price": "50", "quantity": "1", "client_order_id": "by-hand"}
    assert await post(model, "order", body) == 200
    assert "by-hand" in model.venue.matching.account.open_orders[PERP]


async def test_latency_delays_every_order(model: RunningVenue, own: SimulatedVenue) -> None:
    model.faults.settings = FaultSettings(latency=100 * MILLISECOND_NS)
    started = asyncio.get_running_loop().time()
    await own.place(PERP, BUY)
    assert asyncio.get_running_loop().time() - started >= 0.1


async def test_dead_man_switch_cancels_unless_renewed(model: RunningVenue, own: SimulatedVenue) -> None:
    assert isinstance(own, DeadManSwitch)
    await own.place(PERP, BUY)
    await own.cancel_all_after(PERP, 60)
    await own.cancel_all_after(PERP, 0.05)
    async with asyncio.timeout(5):
        async for update in own.account():
            if isinstance(update.event, OrderReport) and update.event.status is OrderStatus.CANCELED:
                break
    assert not model.venue.matching.account.open_orders[PERP]


async def test_dead_man_switch_can_be_disarmed(model: RunningVenue, own: SimulatedVenue) -> None:
    await own.place(PERP, BUY)
    await own.cancel_all_after(PERP, 0.05)
    await own.cancel_all_after(PERP, 0)
    later = asyncio.Event()
    # The same event loop runs the venue, so a timer that was due earlier has already fired.
    asyncio.get_running_loop().call_later(0.06, later.set)
    await later.wait()
    assert await own.open_orders(PERP)


async def test_trading_rules_can_be_changed(model: RunningVenue, own: SimulatedVenue) -> None:
    await own.place(PERP, BUY)
    changes = {"tick_size": "1", "maximum_quantity": 2, "buy_band": {"below": "0.1"}}
    assert await post(model, "instrument", {"symbol": PERP, "changes": changes}) == 200
    (changed,) = await own.instruments()
    assert (changed.tick_size, changed.maximum_quantity) == (Decimal(1), Decimal(2))
    assert changed.buy_band == PriceBand(below=Decimal("0.1"))
    assert len(await own.open_orders(PERP)) == 1


async def test_a_delisting_cancels_the_open_orders(model: RunningVenue, own: SimulatedVenue) -> None:
    await own.place(PERP, BUY)
    assert await post(model, "instrument", {"symbol": PERP, "changes": {"status": "delisted"}}) == 200
    assert await own.open_orders(PERP) == []
    with pytest.raises(RequestRejected, match="not_trading"):
        await own.place(PERP, BUY)
