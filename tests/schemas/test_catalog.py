"""The catalog against the subjects, the codec, and the golden recording."""

import inspect
import itertools
import json
import lzma
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import catalog, earlier_subjects, subjects
from schemas.catalog import CHANNELS, Delivery, channel_of
from schemas.codec import Event
from schemas.engine.journal import (
    CommandReceived,
    EngineStarted,
    EngineStopping,
    LedgerGap,
    OtherGrids,
    ResyncRequired,
    SymbolAdded,
    TimePassed,
)
from schemas.engine.portfolio_journal import AddRequested, CommandForAll
from schemas.venue.orders import CancelRejected, OrderReport

RECORDING = Path(__file__).parents[1] / "golden" / "0.1"
EVENTS = {kind.__name__: kind for kind in typing.get_args(Event)}
CAUSES = {
    SymbolAdded,
    TimePassed,
    CommandReceived,
    EngineStarted,
    EngineStopping,
    ResyncRequired,
    LedgerGap,
    OtherGrids,
    CommandForAll,
    AddRequested,
}
"""Events that are part of steps only."""
HEADERS = {
    Delivery.CORE: set(),
    Delivery.STORED: {"content-type", "schema"},
    Delivery.ONCE: {"content-type", "schema", "Nats-Msg-Id"},
    Delivery.FENCED: {"content-type", "schema", "Nats-Expected-Last-Subject-Sequence"},
}


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def built_subjects() -> dict[str, tuple[str, ...]]:
    """Return what each subject builder of `schemas` returns, with wildcards filled in."""
    built, builders = (
        {},
        (inspect.getmembers(each, inspect.isfunction) for each in (subjects, earlier_subjects)),
    )
    for name, function in itertools.chain.from_iterable(builders):
        parameters = list(inspect.signature(function).parameters)
        if parameters[:1] == ["venue"] and not name.startswith("_") and name != "registry_key":
            value = function(*(parameter.upper() for parameter in parameters))
            found = (value,) if isinstance(value, str) else value
            built[name] = tuple(each.replace("*", "ANY") for each in found)
    return built


@pytest.mark.parametrize("path", sorted(RECORDING.glob("*.jsonl.xz")), ids=lambda path: path.name)
def test_recorded_messages_are_those_of_their_channel(path: Path) -> None:
    wrong = set()
    for message in recorded(path):
        channel = channel_of(message["subject"])
        if "KV-Operation" in message["headers"]:
            assert channel is not None
            continue
        kind = EVENTS[message["data"]["type"]]
        headers = set(message["headers"]) - {"Nats-Expected-Last-Subject-Sequence-Subject"}
        if channel is None or HEADERS[channel.messages[kind]] != headers:
            wrong.add((message["subject"], kind.__name__))
    assert wrong == set()


def test_every_event_is_published_or_only_part_of_a_step() -> None:
    published: set[type[msgspec.Struct]] = {kind for channel in CHANNELS for kind in channel.messages}

    assert published | CAUSES == set(EVENTS.values())
    assert published.isdisjoint(CAUSES)


@pytest.mark.parametrize(("name", "built"), built_subjects().items())
def test_every_subject_builder_has_a_channel(name: str, built: tuple[str, ...]) -> None:
    assert built
    assert [each for each in built if channel_of(each) is None] == []


def test_names_and_addresses_are_unique() -> None:
    assert len({channel.name for channel in CHANNELS}) == len(CHANNELS)
    assert len({channel.address for channel in CHANNELS}) == len(CHANNELS)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("order_report", "order.{venue}.{symbol}.report"),
        ("live_candle", "market.{venue}.{symbol}.candle.{interval}"),
        ("portfolio_step", "journal._all._all.step"),
        ("venue_portfolio_step", "journal.{venue}._all.step"),
        ("balance", "account.{venue}.balance.{asset}"),
        ("command", "control.{venue}.{symbol}.{name}"),
        ("heartbeat", "heartbeat.{venue}.{symbol}"),
        ("kv_symbols", "$KV.symbols.{venue}.{symbol}"),
    ],
)
def test_addresses_name_their_parameters(name: str, address: str) -> None:
    (found,) = (channel for channel in CHANNELS if channel.name == name)

    assert found.address == address


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("journal._all._all.step", "portfolio_step"),
        ("journal.sim._all.step", "venue_portfolio_step"),
        ("journal.sim.BTC-USDT.step", "step"),
        ("control.sim.BTC-USDT.result", "command_result"),
        ("control.sim.BTC-USDT.pause", "command"),
    ],
)
def test_a_subject_belongs_to_its_most_specific_channel(subject: str, name: str) -> None:
    found = channel_of(subject)

    assert found is not None
    assert found.name == name


def test_a_foreign_subject_has_no_channel() -> None:
    assert channel_of("order.sim.BTC-USDT.report.more") is None
    assert channel_of("orders.sim.BTC-USDT.report") is None


def test_a_channel_may_carry_several_types() -> None:
    channel = catalog.channel_of("order.sim.BTC-USDT.report")

    assert channel is not None
    assert set(channel.messages) == {OrderReport, CancelRejected}
