import pytest
from nats.aio.msg import Msg

from bus.client.consumer import Delivery, FromTime, consumer_config, delivery_of
from bus.client.headers import parse_headers
from bus.client.jetstream import parse_time_ns, stored_sequence
from bus.errors import Ambiguous, BusError, Conflict, NoSpace, Refused


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-11-21T05:10:27.659794879Z", 1_795_237_827_659_794_879),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert parse_time_ns(text) == time_ns


def test_headers_of_a_stored_message_are_read() -> None:
    assert parse_headers(b"NATS/1.0\r\nschema: Ticker\r\nNats-Msg-Id:a:b\r\n\r\n") == {
        "schema": "Ticker",
        "Nats-Msg-Id": "a:b",
    }


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.ORDERS.reader.1.42.7.1795237827659794879.3",
        "$JS.ACK.hub.ACCHASH.ORDERS.reader.1.42.7.1795237827659794879.3.x7",
    ],
)
def test_a_reply_subject_says_where_a_message_was(reply: str) -> None:
    assert delivery_of(reply) == Delivery(42, 7, 1_795_237_827_659_794_879, 3)


def test_a_start_time_is_written_to_the_nanosecond() -> None:
    config = consumer_config("reader", ["a.>"], FromTime(1_795_237_827_000_000_001))

    assert config["opt_start_time"] == "2026-11-21T05:10:27.000000001Z"


def answer(code: int, err_code: int) -> Msg:
    body = f'{{"error":{{"code":{code},"err_code":{err_code},"description":"no"}}}}'
    return Msg(_client=None, data=body.encode())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "err_code", "error"),
    [
        (400, 10071, Conflict),
        (400, 10164, Conflict),
        (503, 10077, NoSpace),
        (409, 10158, Ambiguous),
        (503, 10008, Ambiguous),
        (400, 10052, Refused),
    ],
)
def test_what_is_not_stored_is_told_from_what_may_be(code: int, err_code: int, error: type[BusError]) -> None:
    with pytest.raises(BusError) as caught:
        stored_sequence("order.sim.A.report")(answer(code, err_code))

    assert type(caught.value) is error
