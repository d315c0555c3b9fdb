"""The JetStream protocol: times, headers, replies, rollback detection."""

import pytest

from bus.client.headers import parse_headers
from bus.client.jetstream import RollbackDetector, StreamState, parse_time_ns, stored_sequence_parser
from bus.client.request_reply import RawReply
from bus.errors import Ambiguous, BusError, Conflict, NoSpace, Rejected


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-11-21T05:10:27.659794879Z", 1_795_237_827_659_794_879),
    ],
)
def test_times_are_parsed_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert parse_time_ns(text) == time_ns


def test_headers_of_a_stored_message_are_parsed() -> None:
    assert parse_headers(b"NATS/1.0\r\nschema: Ticker\r\nNats-Msg-Id:a:b\r\n\r\n") == {
        "schema": "Ticker",
        "Nats-Msg-Id": "a:b",
    }


def reply(code: int, err_code: int) -> RawReply:
    body = f'{{"error":{{"code":{code},"err_code":{err_code},"description":"no"}}}}'
    return RawReply(body.encode(), "")


@pytest.mark.parametrize(
    ("code", "err_code", "error"),
    [
        (400, 10071, Conflict),
        (400, 10164, Conflict),
        (503, 10077, NoSpace),
        (409, 10158, Ambiguous),
        (503, 10008, Ambiguous),
        (400, 10052, Rejected),
    ],
)
def test_errors_distinguish_not_stored_from_perhaps_stored(
    code: int, err_code: int, error: type[BusError]
) -> None:
    with pytest.raises(BusError) as caught:
        stored_sequence_parser("order.sim.A.report")(reply(code, err_code))

    assert type(caught.value) is error


def state(first: int, last: int, first_time: str = "monday", *, is_in_memory: bool = True) -> StreamState:
    return StreamState("sunday", first, last, last - first + 1, 0, 3, "bus-1", first_time, is_in_memory)


def is_rolled_back(*states: StreamState, next_sequence: int | None = None) -> bool:
    """Return whether the last of successive stream states shows a rollback."""
    detector = RollbackDetector()
    return [detector.is_rolled_back(each, next_sequence) for each in states][-1]


@pytest.mark.parametrize(
    "after",
    [state(1, 20), state(1, 30), state(9, 30, "tuesday"), state(31, 30, "")],
    ids=["unchanged", "grown", "trimmed", "emptied"],
)
def test_a_growing_or_trimmed_stream_is_not_rolled_back(after: StreamState) -> None:
    assert not is_rolled_back(state(1, 20), after, next_sequence=21)


def test_the_first_message_of_an_empty_stream_is_not_a_rollback() -> None:
    assert not is_rolled_back(state(8, 7, ""), state(8, 8))


@pytest.mark.parametrize(
    "after",
    [state(1, 5, "tuesday"), state(4, 30, "tuesday"), state(5, 30, "tuesday"), state(1, 0, "")],
    ids=["shorter", "begins earlier", "other first message", "empty"],
)
def test_a_rolled_back_memory_stream_is_detected(after: StreamState) -> None:
    assert is_rolled_back(state(5, 20), after, next_sequence=21)


def test_a_file_stream_is_never_rolled_back() -> None:
    before, after = state(5, 20, is_in_memory=False), state(1, 2, "tuesday", is_in_memory=False)
    assert not is_rolled_back(before, after, next_sequence=21)
