"""Rings: bounded, and honest about how far back they reach."""

import pytest

from liveserver.protocol.cursors import Position, Reason, positions_in
from liveserver.protocol.symbol_names import Market
from liveserver.view.event_log import Entry, EventLog, Ring
from tests.liveserver import events
from tests.liveserver.events import BTC, SIM

MARKET = Market(SIM, BTC)


def entry(sequence: int, size: int = 1, time: int = 0, stream: str = "ORDERS") -> Entry:
    return Entry(stream, sequence, time, events.report("a"), b"x" * size)


def held(ring: Ring, since: int) -> list[int] | None:
    found = ring.since(since)
    return None if found is None else [each.sequence for each in found]


def test_it_reaches_back_to_where_it_began() -> None:
    ring = Ring("once", 7)
    ring.append(entry(9))

    assert held(ring, 6) is None
    assert held(ring, 7) == [9]
    assert held(ring, 9) == []


def test_what_was_read_before_it_began_is_kept_too() -> None:
    ring = Ring("once", 7)
    for sequence in (3, 5, 7, 9):
        ring.append(entry(sequence))

    assert held(ring, 1) is None
    assert held(ring, 2) == [3, 5, 7, 9]
    assert ring.position == 9


@pytest.mark.parametrize("limits", [{"events": 3}, {"size": 30}])
def test_it_is_bounded_in_events_and_in_bytes(limits: dict[str, int]) -> None:
    ring = Ring("once", 0, **limits)
    for sequence in range(1, 21):
        ring.append(entry(sequence, size=10))

    assert held(ring, 17) == [18, 19, 20]
    assert held(ring, 16) is None


def test_missing_events_come_in_the_order_of_their_times() -> None:
    log = EventLog()
    log.begin("ORDERS", "once", 0)
    log.begin("ENGINE", "once", 0)
    for sequence, time in ((1, 10), (2, 30)):
        log.append(entry(sequence, time=time))
    log.append(entry(1, time=20, stream="ENGINE"))

    start = {"ORDERS": Position("once", 0), "ENGINE": Position("once", 0)}

    assert [each.seq for each in log.missing(start, {(MARKET, "")})] == ["ORDERS:1", "ENGINE:1", "ORDERS:2"]


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (Position("once", 3), None),
        (Position("twice", 3), Reason.STREAM_RECREATED),
        (None, Reason.NOT_KNOWN),
    ],
)
def test_a_position_is_of_one_stream_as_it_was_created(
    position: Position | None, reason: Reason | None
) -> None:
    log = EventLog()
    log.begin("ORDERS", "once", 5)

    assert log.why_anew({"ORDERS": position} if position else {}) is reason


def test_a_handshake_names_positions() -> None:
    query = "symbol=BTCUSDT&resume=ORDERS:12:2026-11-21T05:10:27.6597Z&resume=ENGINE:x:y&resume=nonsense"

    assert positions_in(query) == {"ORDERS": Position("2026-11-21T05:10:27.6597Z", 12)}
    assert positions_in("symbol=BTCUSDT") is None
