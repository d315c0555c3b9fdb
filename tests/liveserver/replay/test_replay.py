"""Replay over real sockets from a real bus: as it was, paused, sought, stopped, at the pace of who watches."""

import asyncio
import time
from typing import Any

import pytest

from bus import Bus
from schemas.venue.orders import OrderStatus
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.resuming import CountingViewer
from tests.liveserver.test_resume import Visit, visit
from tests.liveserver.watching import say, serving, watching

BTC_TOPIC = [{"symbol": "BTCUSDT"}]


def replayed(message: dict[str, Any]) -> bool:
    return "replayed" in message


async def history(bus: Bus, orders: int = 5) -> tuple[float, float]:
    """Store something between two moments; return them."""
    await say(bus, events.ticker(), events.ticker(symbol=ETH), events.report("before"), events.candle(0))
    start = time.time()
    for i in range(orders):
        await say(bus, events.report(f"o{i}"), events.report(f"e{i}", symbol=ETH))
    await say(bus, events.trade("t1", "o1"), events.fill("t1", "o1"), events.candle(1), events.risk("volume"))
    await say(bus, events.grid(), events.report("o0", OrderStatus.CANCELED))
    end = time.time()
    await say(bus, events.report("after"))
    return start, end


async def replay(there: Visit, start: float, end: float, speed: float | str = "max") -> None:
    await there.until_kind("symbols")
    await there.say("replay", topics=BTC_TOPIC, **{"from": start, "to": end, "speed": speed})


async def state(there: Visit, wanted: str) -> dict[str, Any]:
    message = await there.until(lambda told: told["type"] == "replay" and told["data"]["state"] == wanted)
    data: dict[str, Any] = message["data"]
    return data


async def gathered(there: Visit, wanted: str = "ended") -> list[dict[str, Any]]:
    """Return what is replayed until the replay is in a state."""
    told: list[dict[str, Any]] = []

    def is_it(message: dict[str, Any]) -> bool:
        if replayed(message):
            told.append(message)
        return bool(message["type"] == "replay" and message["data"]["state"] == wanted)

    await there.until(is_it)
    return told


async def test_the_past_comes_as_it_was_and_nothing_of_the_present(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await replay(there, start, end)
        told = await gathered(there)

    orders_then = next(message["data"] for message in told if message["type"] == "orders")
    assert [order["id"] for order in orders_then] == ["before"]
    tail = [(message["seq"].partition(":")[0], message["type"]) for message in told if "seq" in message]
    assert tail[:5] == [("ORDERS", "orders")] * 5
    assert tail[5:] == [
        ("ORDERS", "trade_event"),
        ("ENGINE", "fill"),
        ("CANDLES", "kline"),
        ("ENGINE", "risk_alert"),
        ("JOURNAL", "grid_state"),
        ("ORDERS", "orders"),
    ]
    assert all(start * 1000 - 1 <= message["replayed"] <= end * 1000 for message in told)
    times = [message["replayed"] for message in told]
    assert times == sorted(times)


async def test_it_stops_with_a_snapshot_of_the_present_and_goes_on_live(bus: Bus) -> None:
    start, end = await history(bus)
    viewer = CountingViewer()
    async with serving(bus.url) as replica, visit(replica, viewer, "?symbol=BTCUSDT") as there:
        await replay(there, start, end)
        await state(there, "ended")
        last = await say(bus, events.report("meanwhile"))
        await there.say("stop")
        await there.until_kind("snapshot")
        later = await say(bus, events.report("later"))
        await there.until_seq(f"ORDERS:{later}")

    assert viewer.reasons == ["first", "replay_stopped"]
    included = viewer.included["ORDERS"]
    assert included in {last - 1, last}  # what was stored last may not have been read yet
    assert viewer.of("ORDERS") == list(range(included + 1, later + 1))


async def test_it_pauses_plays_on_and_seeks(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await replay(there, start, end, speed=0.000001)
        await there.until(lambda message: message["type"] == "risk_status" and replayed(message))
        await there.say("pause")
        paused = await state(there, "paused")
        assert paused["at"] == pytest.approx(start, abs=0.01)
        await there.say("seek", to=end + 1000)
        await there.say("play", speed="max")
        assert await state(there, "ended")
        await there.say("seek", to=start)
        again = await gathered(there)

    assert sum(message.get("seq", "").startswith("ORDERS") for message in again) == 7


async def test_it_goes_at_the_speed_that_was_asked_for(bus: Bus) -> None:
    await say(bus, events.ticker())
    start = time.time()
    await say(bus, events.report("a"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await there.until_kind("symbols")
        await say(bus, events.report("b"))
        took = time.time() - start
        await there.say("replay", topics=BTC_TOPIC, **{"from": start, "speed": 0.5})
        first = await there.until(lambda message: replayed(message) and message.get("seq") == "ORDERS:1")
        began = time.monotonic()
        second = await there.until(lambda message: replayed(message) and message.get("seq") == "ORDERS:2")
        waited = time.monotonic() - began

    assert waited == pytest.approx((second["replayed"] - first["replayed"]) / 1000 * 2, abs=0.25 + took / 10)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"from": 20, "to": 10}, "before"),
        ({"from": 3_999_999_999}, "future"),
        ({"from": "yesterday"}, "no time"),
        ({"from": 0, "to": 10}, "nothing is kept of that time: there is something from 20"),
        ({"from": "2020-01-01T00:00:00Z", "topics": [{"symbol": "DOGEUSDT"}]}, "there is no symbol DOGEUSDT"),
    ],
)
async def test_what_cannot_be_shown_is_refused_and_the_present_goes_on(
    bus: Bus, asked: dict[str, Any], why: str
) -> None:
    await say(bus, events.ticker(), events.report("a"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer(), "?symbol=BTCUSDT") as there:
        await there.until_kind("symbols")
        await there.say("replay", **{"topics": BTC_TOPIC, **asked})
        refused = await state(there, "refused")
        await say(bus, events.report("b"))
        await there.until_seq("ORDERS:2")

    assert why in refused["detail"]


async def test_there_are_no_more_replays_than_may_be(bus: Bus) -> None:
    start, end = await history(bus)
    async with (
        serving(bus.url, replays=1) as replica,
        visit(replica, CountingViewer()) as one,
        visit(replica, CountingViewer()) as two,
    ):
        await replay(one, start, end)
        await state(one, "ended")
        await replay(two, start, end)
        assert "limit" in (await state(two, "refused"))["detail"]
        await one.say("stop")
        await state(one, "stopped")
        await there_is_room(two, start, end)


async def test_a_part_that_was_discarded_is_said_to_be(bus: Bus) -> None:
    start, end = await history(bus)
    await bus.api("STREAM.PURGE.ORDERS", {"seq": 6}, dict)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await replay(there, start, end)
        ended = await state(there, "ended")

    assert start < ended["kept_from"] < end


async def test_who_does_not_read_holds_up_its_own_replay_and_nobody_else(bus: Bus) -> None:
    await say(bus, events.ticker())
    start = time.time()
    grids = 1500
    for step in range(grids):
        await bus.send("journal.sim.BTC-USDT_USDT.grid", events.grid(step=step))
    await bus.flush_window()
    end = time.time()
    viewer = CountingViewer()
    async with serving(bus.url) as replica, watching(replica) as live:
        await live.until("symbols")
        async with visit(replica, viewer, "?symbol=BTCUSDT") as there:
            await replay(there, start, end)
            # It reads nothing while others are told the present.
            for price in range(1000, 1020):
                await say(bus, events.ticker(str(price)))
                assert (await live.until("ticker"))["last"] == str(price)
            told = await gathered(there)
        dropped = replica.metrics.registry.get_sample_value("live_server_dropped_clients_total")

    assert [message["data"]["step"] for message in told if "seq" in message] == list(range(grids))
    assert dropped == 0


async def test_a_viewer_that_leaves_ends_its_replay(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url, replays=1) as replica:
        async with visit(replica, CountingViewer()) as one:
            await replay(one, start, end)
            await state(one, "ended")
        async with visit(replica, CountingViewer()) as two:
            await there_is_room(two, start, end)


async def there_is_room(there: Visit, start: float, end: float) -> None:
    await there.until_kind("symbols")
    async with asyncio.timeout(5):
        while True:
            await there.say("replay", topics=BTC_TOPIC, **{"from": start, "to": end, "speed": "max"})
            told = await there.until(lambda message: message["type"] == "replay")
            if told["data"]["state"] != "refused":
                return
