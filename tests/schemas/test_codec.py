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
from schemas.codec import UndecodableError, decode, decode_as, encode
from schemas.engine.control import CommandName
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


def test_an_event_of_another_type_is_undecodable() -> None:
    with pytest.raises(UndecodableError, match="expected Trade, got Ticker"):
        decode_as(encode(TICKER), Trade)


def test_a_command_round_trips_with_settings_and_changes() -> None:
    command = msgspec.structs.replace(
        COMMAND, name=CommandName.SET, settings=SETTINGS, changes={"order_amount": "40 USDT"}, dry_run=True
    )
    assert decode(encode(command)) == command
