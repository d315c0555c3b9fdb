"""Replay over real sockets from a real bus: order, pause, seek, stop, speed, limits."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from bus import Bus
from liveserver.view.history import LOOK_BACK_MESSAGES
from schemas import subjects
from schemas.venue.market import ClockRead, Recording
from schemas.venue.orders import OrderStatus
from tests.builders import SIM
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.resuming import CountingViewer
from tests.liveserver.test_resume import Visit, visit
from tests.liveserver.watching import publish, serving, watching

BTC_TOPIC = [{"symbol": "BTCUSDT"}]


def is_replayed(message: dict[str, Any]) -> bool:
    return "replayed" in message


async def history(bus: Bus, orders: int = 5) -> tuple[float, float]:
    """Publish events; return the times before and after the middle part."""
    await publish(bus, events.ticker(), events.ticker(symbol=ETH), events.report("before"), events.candle(0))
    start = time.time()
    for i in range(orders):
        await publish(bus, events.report(f"o{i}"), events.report(f"e{i}", symbol=ETH))
    await publish(
        bus, events.trade("t1", "o1"), events.fill("t1", "o1"), events.candle(1), events.risk("volume")
    )
    await publish(bus, events.grid(), events.report("o0", OrderStatus.CANCELED))
    end = time.time()
    await publish(bus, events.report("after"))
    return start, end


async def start_replay(there: Visit, start: float, end: float, speed: float | str = "max") -> None:
    await there.until_kind("symbols")
    await there.say("replay", topics=BTC_TOPIC, **{"from": start, "to": end, "speed": speed})


async def until_state(there: Visit, wanted: str) -> dict[str, Any]:
    message = await there.until(
        lambda message: message["type"] == "replay" and message["data"]["state"] == wanted
    )
    data: dict[str, Any] = message["data"]
    return data


async def replayed_until(there: Visit, wanted: str = "ended") -> list[dict[str, Any]]:
    """Return the replayed messages until the replay is in a state."""
    messages: list[dict[str, Any]] = []

    def record(message: dict[str, Any]) -> bool:
        if is_replayed(message):
            messages.append(message)
        return bool(message["type"] == "replay" and message["data"]["state"] == wanted)

    await there.until(record)
    return messages


async def replay_messages_until_end(there: Visit) -> list[dict[str, Any]]:
    """Return the replayed events, and the states of the replay between them, until its end."""
    messages: list[dict[str, Any]] = []

    def record(message: dict[str, Any]) -> bool:
        if ("seq" in message and is_replayed(message)) or message["type"] == "replay":
            messages.append(message)
        return bool(message["type"] == "replay" and message["data"]["state"] == "ended")

    await there.until(record)
    return messages


async def snapshot_of(there: Visit) -> dict[str, Any]:
    """Return the data of the state messages at the start of a replay, by type."""
    state: dict[str, Any] = {}

    def record(message: dict[str, Any]) -> bool:
        if is_replayed(message) and "seq" not in message:
            state[message["type"]] = message["data"]
        return "trade_history" in state

    await there.until(record)
    return state


async def test_replay_sends_past_events_and_no_live_ones(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, end)
        messages = await replayed_until(there)

    orders_at_start = next(message["data"] for message in messages if message["type"] == "orders")
    assert [order["id"] for order in orders_at_start] == ["before"]
    tail = [(message["seq"].partition(":")[0], message["type"]) for message in messages if "seq" in message]
    assert tail[:5] == [("ORDERS", "orders")] * 5
    assert tail[5:] == [
        ("ORDERS", "trade_event"),
        ("ENGINE", "fill"),
        ("CANDLES", "kline"),
        ("ENGINE", "risk_alert"),
        ("JOURNAL", "grid_state"),
        ("ORDERS", "orders"),
    ]
    assert all(start * 1000 - 1 <= message["replayed"] <= end * 1000 for message in messages)
    times = [message["replayed"] for message in messages]
    assert times == sorted(times)


async def test_stopped_replay_returns_to_live_data_with_a_snapshot(bus: Bus) -> None:
    start, end = await history(bus)
    viewer = CountingViewer()
    async with serving(bus.url) as replica, visit(replica, viewer, "?symbol=BTCUSDT") as there:
        await start_replay(there, start, end)
        await until_state(there, "ended")
        last = await publish(bus, events.report("meanwhile"))
        await there.say("stop")
        await there.until_kind("snapshot")
        later = await publish(bus, events.report("later"))
        await there.until_seq(f"ORDERS:{later}")

    assert viewer.reasons == ["first", "replay_stopped"]
    included = viewer.included["ORDERS"]
    assert included in {last - 1, last}  # the last event may not have been read yet
    assert viewer.of("ORDERS") == list(range(included + 1, later + 1))


async def test_replay_pauses_continues_and_seeks(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, end, speed=0.000001)
        await there.until(lambda message: message["type"] == "risk_status" and is_replayed(message))
        await there.say("pause")
        paused = await until_state(there, "paused")
        assert paused["at"] == pytest.approx(start, abs=0.01)
        await there.say("seek", to=end + 1000)
        await there.say("play", speed="max")
        assert await until_state(there, "ended")
        await there.say("seek", to=start)
        again = await replayed_until(there)

    assert sum(message.get("seq", "").startswith("ORDERS") for message in again) == 7


async def test_replay_has_the_requested_speed(bus: Bus) -> None:
    await publish(bus, events.ticker())
    start = time.time()
    await publish(bus, events.report("a"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await there.until_kind("symbols")
        await publish(bus, events.report("b"))
        took = time.time() - start
        await there.say("replay", topics=BTC_TOPIC, **{"from": start, "speed": 0.5})
        first = await there.until(lambda message: is_replayed(message) and message.get("seq") == "ORDERS:1")
        began = time.monotonic()
        second = await there.until(lambda message: is_replayed(message) and message.get("seq") == "ORDERS:2")
        waited = time.monotonic() - began

    assert waited == pytest.approx((second["replayed"] - first["replayed"]) / 1000 * 2, abs=0.25 + took / 10)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"from": 20, "to": 10}, "before"),
        ({"from": 3_999_999_999}, "must be in the past"),
        ({"from": "yesterday"}, "invalid time"),
        ({"from": 0, "to": 10}, "no data in this range: the history starts at 20"),
        ({"from": "2020-01-01T00:00:00Z", "topics": [{"symbol": "DOGEUSDT"}]}, "there is no symbol DOGEUSDT"),
    ],
)
async def test_invalid_fieldsis_refused_and_live_data_continues(
    bus: Bus, fields: dict[str, Any], reason: str
) -> None:
    await publish(bus, events.ticker(), events.report("a"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer(), "?symbol=BTCUSDT") as there:
        await there.until_kind("symbols")
        await there.say("replay", **{"topics": BTC_TOPIC, **fields})
        refused = await until_state(there, "refused")
        await publish(bus, events.report("b"))
        await there.until_seq("ORDERS:2")

    assert reason in refused["detail"]


async def test_concurrent_replays_are_limited(bus: Bus) -> None:
    start, end = await history(bus)
    async with (
        serving(bus.url, replays=1) as replica,
        visit(replica, CountingViewer()) as one,
        visit(replica, CountingViewer()) as two,
    ):
        await start_replay(one, start, end)
        await until_state(one, "ended")
        await start_replay(two, start, end)
        assert "limit" in (await until_state(two, "refused"))["detail"]
        await one.say("stop")
        await until_state(one, "stopped")
        await until_replay_is_accepted(two, start, end)


async def test_start_of_the_kept_history_is_reported(bus: Bus) -> None:
    start, end = await history(bus)
    await bus.api("STREAM.PURGE.ORDERS", {"seq": 6}, dict)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, end)
        ended = await until_state(there, "ended")

    assert start < ended["kept_from"] < end


async def test_clock_is_sent_every_second_of_a_lively_market_and_is_true(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.report("before"))
    start = time.time()
    while time.time() < start + 0.3:
        await publish(bus, events.grid(), events.report("o"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, start + 0.3, speed=0.1)
        received = await replay_messages_until_end(there)

    clocks = [message["data"]["at"] for message in received if message["type"] == "replay"]
    assert len(clocks) >= 4
    assert clocks == sorted(clocks)
    assert clocks[0] == pytest.approx(start)
    assert clocks[-1] == pytest.approx(start + 0.3)
    at = start
    for message in received:
        if message["type"] == "replay":
            at = message["data"]["at"]
        else:
            assert message["replayed"] / 1000 >= at - 0.001  # it has whole milliseconds


async def test_replay_begins_where_something_is_kept_with_the_state_of_then(bus: Bus) -> None:
    before = time.time()
    await publish(bus, events.candle(0), events.report("a"), events.grid(), events.report("b"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, before - 900, time.time(), speed=0.000001)
        began = await until_state(there, "playing")
        state = await snapshot_of(there)

    assert before <= began["start"] == began["at"] == began["kept_from"] < time.time()
    assert "nothing is kept before" in began["detail"]
    assert [order["id"] for order in state["orders"]] == ["a"]
    assert len(state["history"]) == 1
    assert (state["grid_state"]["price"], state["position"]["amount"]) == ("100", "1")


async def test_state_at_the_start_has_the_grid_however_long_ago_it_changed(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.grid(price="101"))
    for step in range(LOOK_BACK_MESSAGES + 100):
        await bus.send(subjects.grid(SIM, ETH), events.grid(step=step, symbol=ETH))
    await bus.flush_window()
    start = time.time()
    await publish(bus, events.grid(price="102"))
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, time.time(), speed=0.000001)
        state = await snapshot_of(there)

    assert state["grid_state"]["price"] == "101"


async def test_replay_tells_that_the_market_is_a_recording(bus: Bus) -> None:
    start, end = await history(bus)
    recording = Recording(name="btc.csv", speed=600.0)
    clock = ClockRead(venue=SIM, time=events.at(0), received_time=events.at(0), recording=recording)
    await bus.store(subjects.clock(SIM), clock)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, end)
        state = await snapshot_of(there)

    assert (state["status"]["recording"], state["status"]["recording_speed"]) == ("btc.csv", 600.0)


async def test_replayed_position_is_that_of_the_grid(bus: Bus) -> None:
    grid = replace(events.grid(price="103", position="2"), entry_price=Decimal(98))
    await publish(bus, events.ticker(), events.grid())
    start = time.time()
    await publish(bus, grid)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, time.time())
        shown = [message["data"] for message in await replayed_until(there) if message["type"] == "position"]

    assert [(each["amount"], each["entryPrice"], each["unrealizedPnL"]) for each in shown] == [
        ("1", None, None),
        ("2", "98", "10"),
    ]


async def test_grids_that_are_not_kept_are_told(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url) as replica, visit(replica, CountingViewer()) as there:
        await start_replay(there, start, end)
        ended = await until_state(there, "ended")

    assert start < ended["grids_from"] < end


async def test_slow_viewer_delays_only_its_own_replay(bus: Bus) -> None:
    await publish(bus, events.ticker(), events.report("before"))
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
            await start_replay(there, start, end)
            # It reads nothing while another viewer receives live data.
            for price in range(1000, 1020):
                await publish(bus, events.ticker(str(price)))
                assert (await live.until("ticker"))["last"] == str(price)
            messages = await replayed_until(there)
        dropped = replica.metrics.registry.get_sample_value("live_server_dropped_clients_total")

    assert [message["data"]["step"] for message in messages if "seq" in message] == list(range(grids))
    assert dropped == 0


async def test_disconnected_viewer_ends_its_replay(bus: Bus) -> None:
    start, end = await history(bus)
    async with serving(bus.url, replays=1) as replica:
        async with visit(replica, CountingViewer()) as one:
            await start_replay(one, start, end)
            await until_state(one, "ended")
        async with visit(replica, CountingViewer()) as two:
            await two.until_kind("symbols")
            await until_replay_is_accepted(two, start, end)


async def until_replay_is_accepted(there: Visit, start: float, end: float) -> None:
    async with asyncio.timeout(5):
        while True:
            await there.say("replay", topics=BTC_TOPIC, **{"from": start, "to": end, "speed": "max"})
            message = await there.until(lambda message: message["type"] == "replay")
            if message["data"]["state"] != "refused":
                return
