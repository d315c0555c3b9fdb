"""Event buffers: bounded, with a known start; stream cursors."""

import pytest

from liveserver.protocol.cursors import SnapshotReason, StreamCursor, parse_cursors
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.event_log import EventBuffer, EventLog, StoredEvent
from tests.builders import BTC, SIM
from tests.liveserver import events

MARKET = Market(SIM, BTC)


def stored(sequence: int, size: int = 1, time: int = 0, stream: str = "ORDERS") -> StoredEvent:
    return StoredEvent(stream, sequence, time, events.report("a"), b"x" * size)


def sequences_after(buffer: EventBuffer, sequence: int) -> list[int] | None:
    found = buffer.after(sequence)
    return None if found is None else [event.sequence for event in found]


def test_buffer_reaches_back_to_its_floor() -> None:
    buffer = EventBuffer("once", 7)
    buffer.append(stored(9))

    assert sequences_after(buffer, 6) is None
    assert sequences_after(buffer, 7) == [9]
    assert sequences_after(buffer, 9) == []


def test_history_read_below_the_floor_extends_the_buffer() -> None:
    buffer = EventBuffer("once", 7)
    for sequence in (3, 5, 7, 9):
        buffer.append(stored(sequence))

    assert sequences_after(buffer, 1) is None
    assert sequences_after(buffer, 2) == [3, 5, 7, 9]
    assert buffer.last_sequence == 9


@pytest.mark.parametrize("limits", [{"events": 3}, {"size": 30}])
def test_buffer_is_bounded_in_events_and_bytes(limits: dict[str, int]) -> None:
    buffer = EventBuffer("once", 0, **limits)
    for sequence in range(1, 21):
        buffer.append(stored(sequence, size=10))

    assert sequences_after(buffer, 17) == [18, 19, 20]
    assert sequences_after(buffer, 16) is None


def test_missed_events_are_merged_by_time() -> None:
    log = EventLog()
    log.add_stream("ORDERS", "once", 0)
    log.add_stream("ENGINE", "once", 0)
    for sequence, time in ((1, 10), (2, 30)):
        log.append(stored(sequence, time=time))
    log.append(stored(1, time=20, stream="ENGINE"))

    start = {"ORDERS": StreamCursor("once", 0), "ENGINE": StreamCursor("once", 0)}

    assert [event.seq for event in log.events_after(start, {Channel(MARKET)})] == [
        "ORDERS:1",
        "ENGINE:1",
        "ORDERS:2",
    ]


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (StreamCursor("once", 3), None),
        (StreamCursor("twice", 3), SnapshotReason.STREAM_RECREATED),
        (None, SnapshotReason.NOT_KNOWN),
    ],
)
def test_cursor_of_a_recreated_or_missing_stream_requires_a_reset(
    cursor: StreamCursor | None, reason: SnapshotReason | None
) -> None:
    log = EventLog()
    log.add_stream("ORDERS", "once", 5)

    assert log.reset_reason({"ORDERS": cursor} if cursor else {}) is reason


def test_cursors_are_parsed_from_the_query() -> None:
    query = "symbol=BTCUSDT&resume=ORDERS:12:2026-11-21T05:10:27.6597Z&resume=ENGINE:x:y&resume=nonsense"

    assert parse_cursors(query) == {"ORDERS": StreamCursor("2026-11-21T05:10:27.6597Z", 12)}
    assert parse_cursors("symbol=BTCUSDT") is None
