"""The projection: a snapshot plus later messages equals the full state, in any interleaving of the streams."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.projection import Projection
from schemas.codec import Event
from schemas.venue.market import FeedState
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
from tests.liveserver import events
from tests.liveserver.viewer_model import ViewerModel

CHANNEL = Channel(Market(SIM, BTC), "1m")

MARKET_STREAM: list[Event] = [
    events.ticker("100"),
    events.candle(1, "100", closed=False, time=61),
    events.candle(1, "101", closed=False, time=62),
    events.feed(FeedState.DOWN),
    events.candle(2, "102", closed=False, time=121),
    events.ticker("102"),
    events.feed(FeedState.UP),
]
CANDLES_STREAM: list[Event] = [events.candle(0), events.candle(1, "101.5")]
ORDERS_STREAM: list[Event] = [
    events.report("a"),
    events.report("b"),
    events.trade("t1", "a", "0.5", second=1),
    events.report("a", OrderStatus.PARTIALLY_FILLED, "0.5"),
    events.report("c"),
    events.trade("t2", "a", "0.5", second=2),
    events.report("a", OrderStatus.FILLED, "1"),
    events.report("c", OrderStatus.CANCELED),
    events.report("b"),
    events.report("d"),
]
ACCOUNT_STREAM: list[Event] = [
    events.sweep(includes=0),
    events.position("0.5"),
    events.sweep(events.open_order("a", "0.5"), events.open_order("b"), includes=4),
    events.balance(),
    events.sweep(events.open_order("b"), includes=7),
    events.position("1"),
]
ENGINE_STREAM: list[Event] = [
    events.fill("t1", "a", "0.5", second=1),
    events.risk("volume", second=1),
    events.fill("t2", "a", "0.5", second=2),
    events.risk("volume", active=False, second=2),
    events.reconciled("a", second=3),
    events.corrected("-0.0016", second=3),
    events.fill("t2", "a", "0.5", second=2),
]
JOURNAL_STREAM: list[Event] = [events.grid(step=1), events.grid(step=2, price="102")]
STREAMS = [MARKET_STREAM, CANDLES_STREAM, ORDERS_STREAM, ACCOUNT_STREAM, ENGINE_STREAM, JOURNAL_STREAM]


@st.composite
def interleavings(draw: st.DrawFn) -> list[tuple[Event, int]]:
    """Return the streams merged in an arbitrary order, each event with its sequence in its stream."""
    turns = draw(st.permutations([i for i, stream in enumerate(STREAMS) for _ in stream]))
    done = [0] * len(STREAMS)
    merged = []
    for i in turns:
        done[i] += 1
        merged.append((STREAMS[i][done[i] - 1], done[i]))
    return merged


def _comparable(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "notices": sorted(json.dumps(notice) for notice in state["notices"])}


@given(interleavings(), st.integers(0, sum(map(len, STREAMS))))
def test_snapshot_plus_later_messages_is_the_full_state(
    merged: list[tuple[Event, int]], joins_at: int
) -> None:
    projection = Projection(wall_ns=lambda: 0)
    projection.apply(events.ticker(), 1)
    viewer = ViewerModel()
    for i, (event, sequence) in enumerate(merged):
        if i == joins_at:
            viewer = ViewerModel().take(projection.snapshot(CHANNEL))
        outgoing = projection.apply(event, sequence)
        if i >= joins_at:
            viewer.take(each.message for each in outgoing if each.channel.interval in {"", "1m"})
    whole = ViewerModel().take(projection.snapshot(CHANNEL))

    assert joins_at == len(merged) or _comparable(viewer.state) == _comparable(whole.state)


@given(interleavings())
def test_final_state_is_independent_of_the_interleaving(merged: list[tuple[Event, int]]) -> None:
    projection = Projection(wall_ns=lambda: 0)
    for event, sequence in merged:
        projection.apply(event, sequence)
    state = ViewerModel().take(projection.snapshot(CHANNEL)).state

    assert {order["id"]: order["filled"] for order in state["orders"].values()} == {"b": "0", "d": "0"}
    assert [(row["trade_id"], row["opens"]) for row in state["trades"].values()] == [
        ("t1", True),
        ("t2", True),
    ]
    assert [(row["close"], row.get("forming", False)) for row in state["candles"].values()] == [
        ("100", False),
        ("101.5", False),
        ("102", True),
    ]
    assert state["risk_status"]["status"] == "normal"
    assert state["status"]["feed"] == "up"
