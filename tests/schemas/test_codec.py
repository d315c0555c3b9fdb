"""The codec: events round-trip, stored messages of the first version decode, invalid ones raise."""

import json
import typing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.codec import (
    FormatTooNew,
    UndecodableError,
    UnknownKind,
    decode,
    decode_as,
    decode_header,
    encode,
    try_decode,
)
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised
from schemas.engine.journal import Step
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.formats import STATE_VERSION, VIEW_VERSION
from schemas.grid.view import GridView
from schemas.venue.market import Ticker
from schemas.venue.orders import Trade
from tests.builders import COMMAND, SETTINGS, TICKER, TRADE
from tests.schemas.examples import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"


def _name(event: msgspec.Struct) -> str:
    return type(event).__name__


def test_every_event_has_an_example() -> None:
    assert {_name(event) for event in EXAMPLES} == {kind.__name__ for kind in typing.get_args(codec.Event)}


@pytest.mark.parametrize("event", EXAMPLES, ids=_name)
def test_an_event_round_trips(event: msgspec.Struct) -> None:
    assert decode(encode(event)) == event
    assert encode(decode(encode(event))) == encode(event)


@pytest.mark.parametrize("event", EXAMPLES, ids=_name)
def test_the_first_version_of_an_event_still_decodes(event: msgspec.Struct) -> None:
    stored = (GOLDEN / f"{_name(event)}.json").read_bytes()
    assert decode(stored) == event


@pytest.mark.parametrize("event", EXAMPLES, ids=_name)
def test_unknown_fields_are_ignored(event: msgspec.Struct) -> None:
    newer = json.loads(encode(event)) | {"added_later": {"x": [1]}}
    assert decode(json.dumps(newer).encode()) == event


def test_decimals_are_encoded_as_exact_strings() -> None:
    assert json.loads(encode(TRADE))["fee"] == "0.01916164"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_keeps_every_digit(price: Decimal) -> None:
    ticker = msgspec.structs.replace(TICKER, last=price)
    assert str(decode_as(encode(ticker), Ticker).last) == str(price)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"type":"Nothing"}', b'{"type":"Ticker"}', b"\xff\xfe"]
)
def test_an_invalid_message_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(data)


@given(st.binary())
def test_random_bytes_are_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"type":"AlertRaised","detail":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"type":"Step","new_field":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_deeply_nested_json_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(data)
    with pytest.raises(UndecodableError):
        decode_header(data, msgspec.json.Decoder(Step))
    assert try_decode(data, AlertRaised) is None


def test_an_event_of_another_type_is_undecodable() -> None:
    with pytest.raises(UndecodableError, match="expected Trade, got Ticker"):
        decode_as(encode(TICKER), Trade)


def test_a_command_round_trips_with_settings_and_changes() -> None:
    command = msgspec.structs.replace(
        COMMAND, name=CommandName.SET, settings=SETTINGS, changes={"order_amount": "40 USDT"}, dry_run=True
    )
    assert decode(encode(command)) == command


def newer(kind: type[msgspec.Struct], by: int, **changes: object) -> bytes:
    event = next(each for each in EXAMPLES if type(each) is kind)
    known = VIEW_VERSION if kind is GridView else STATE_VERSION
    return json.dumps(json.loads(encode(event)) | {"minimum_reader": known + by} | changes).encode()


@pytest.mark.parametrize("kind", [Step, PortfolioStep, GridView])
def test_a_format_that_needs_a_newer_program_is_refused(kind: type[msgspec.Struct]) -> None:
    assert isinstance(decode(newer(kind, 0)), kind)
    with pytest.raises(
        FormatTooNew, match=r"of sim.* was written by a newer version \(format \d; this program"
    ):
        decode(newer(kind, 1))
    assert try_decode(newer(kind, 1), kind) is None


def test_a_newer_format_is_recognized_even_if_it_does_not_decode() -> None:
    with pytest.raises(
        FormatTooNew, match="this step of sim BTC/USDT:USDT was written by a newer version"
    ) as raised:
        decode(newer(Step, 1, causes=[{"type": "AddedLater"}], state="moved"))

    assert (raised.value.step, raised.value.epoch) == (3, 2)


def test_a_broken_step_of_a_known_format_is_undecodable() -> None:
    with pytest.raises(UndecodableError) as raised:
        decode(newer(Step, 0, state="moved"))

    assert not isinstance(raised.value, FormatTooNew)


def test_an_unknown_type_is_told_from_a_broken_message() -> None:
    with pytest.raises(UnknownKind, match="unknown type OrderAmended"):
        decode(b'{"type":"OrderAmended","venue":"sim","step":"x"}')
    with pytest.raises(UndecodableError) as raised:
        decode(b'{"type":"Ticker"}')
    assert not isinstance(raised.value, UnknownKind)


@pytest.mark.parametrize(
    ("price", "written"),
    [
        ("9.192E-7", "0.0000009192"),
        ("0E-8", "0.00000000"),
        ("-5E-7", "-0.0000005"),
        ("1E+3", "1000"),
        ("1.50", "1.50"),
    ],
)
def test_decimals_are_written_in_plain_digits(price: str, written: str) -> None:
    event = msgspec.structs.replace(TICKER, last=Decimal(price))
    data = encode(event)
    assert f'"last":"{written}"'.encode() in data
    assert decode(data) == event
    assert encode(decode(data)) == data
