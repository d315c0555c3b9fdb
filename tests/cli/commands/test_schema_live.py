"""`schema --live`: the committed document is current, complete, and agrees with what the live server sends."""

import typing
from collections.abc import Iterator

import msgspec
import pytest

from cli.__main__ import parse
from cli.schema import live_messages
from cli.schema.docstrings import field_docs
from cli.schema.live_examples import REQUESTS
from cli.schema.live_messages import NO_MARKET, PLAIN, SERVER_MESSAGES, V2, data_type
from liveserver.protocol.client_messages import Control, Request, decode_request
from liveserver.protocol.server_messages import Data, Message, MessageType
from liveserver.protocol.symbol_names import Market
from liveserver.view.event_log import DurableEvent, durable_message
from liveserver.view.market_view import MarketEvent, MarketView
from schemas.venue.account import Balance
from schemas.venue.worth import AccountWorth
from tests.builders import TICKER
from tests.layout import ROOT
from tests.schemas.examples import EXAMPLES

Form = tuple[MessageType, type, bool]


def forms(without: str) -> set[Form]:
    return {(each.type, *data_type(each.example)) for each in SERVER_MESSAGES if each.protocols != without}


def form(message: Message) -> Form:
    assert isinstance(message.data, msgspec.Struct) or message.data, "an empty array has no type"
    return (message.type, *data_type(message.data))


def view_messages() -> Iterator[Message]:
    """Yield the messages of a market after one event of every type."""
    view = MarketView(Market(TICKER.venue, TICKER.symbol), "BTCUSDT")
    for event in EXAMPLES:
        if isinstance(event, MarketEvent):
            for update in view.apply(event, 1):
                yield update.payload if isinstance(update.payload, Message) else update.payload.message()
    balances = [event for event in EXAMPLES if isinstance(event, Balance)]
    worth = AccountWorth(currency="USDT", total=None)
    yield from view.snapshot("1m", balances, worth)
    yield from view.state_messages("1m", balances, worth)


def test_the_committed_document_is_current() -> None:
    committed = (ROOT / "docs" / "live-messages.md").read_text(encoding="utf-8")

    assert committed == live_messages.text(), "regenerate it: ./opensqt schema --live > docs/live-messages.md"


def test_the_command_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    command, options = parse("schema", ["--live"])

    assert command.run(options) == 0
    assert capsys.readouterr().out == live_messages.text()


def test_every_type_and_struct_of_the_server_is_described() -> None:
    assert {each.type for each in SERVER_MESSAGES} == set(MessageType)
    assert {data_type(each.example)[0] for each in SERVER_MESSAGES} >= set(typing.get_args(Data))


def test_every_request_is_described_and_its_example_is_valid() -> None:
    assert {type(each) for each in REQUESTS} == {*typing.get_args(Request), Control}
    assert [decode_request(msgspec.json.encode(each)) for each in REQUESTS] == list(REQUESTS)


def test_every_example_is_a_valid_instance() -> None:
    for each in SERVER_MESSAGES:
        kind, is_array = data_type(each.example)
        for example in each.example if is_array else [each.example]:
            assert msgspec.convert(msgspec.to_builtins(example), kind) == example


def test_messages_of_the_view_are_those_of_the_plain_socket() -> None:
    messages = [each for each in view_messages() if not isinstance(each.data, list | tuple) or each.data]

    assert len({message.type for message in messages}) > 10
    assert {form(message) for message in messages} <= forms(without=V2)
    assert NO_MARKET.isdisjoint(message.type for message in messages)


def test_messages_of_durable_events_are_those_of_v2() -> None:
    view = MarketView(Market(TICKER.venue, TICKER.symbol), "BTCUSDT")
    messages = [
        durable_message(event, view.label).message() for event in EXAMPLES if isinstance(event, DurableEvent)
    ]

    assert {form(message) for message in messages} <= forms(without=PLAIN)


def test_every_field_has_a_docstring() -> None:
    kinds = {data_type(each.example)[0] for each in SERVER_MESSAGES} | {type(each) for each in REQUESTS}

    assert [
        (kind.__name__, name) for kind in kinds for name, doc in field_docs(kind).items() if not doc
    ] == []
    assert "|  |\n" not in live_messages.text()
