"""`schema`: the committed documents equal the output; the AsyncAPI document follows from the code."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bus.streams.topology import BUCKETS, STREAMS
from cli.__main__ import parse
from cli.schema import asyncapi
from schemas.catalog import CHANNELS
from tests.layout import ROOT

DOCUMENT = asyncapi.document()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_the_committed_document_is_current() -> None:
    committed = (ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8")

    assert committed == asyncapi.text(), "regenerate it: ./opensqt schema > docs/asyncapi.json"


def test_the_command_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    command, options = parse("schema", [])

    assert command.run(options) == 0
    assert capsys.readouterr().out == asyncapi.text()


def test_the_document_does_not_depend_on_the_hash_seed() -> None:
    command = [sys.executable, "-m", "cli", "schema"]
    outputs = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert outputs == {asyncapi.text().encode()}


def test_every_channel_of_the_catalog_is_in_the_document() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}

    assert addresses >= {channel.address for channel in CHANNELS}


def test_every_stream_and_bucket_stores_a_channel() -> None:
    stored = {channel["x-jetstream"].get("stream") for channel in stored_channels()}
    buckets = {channel["x-jetstream"].get("bucket") for channel in stored_channels()}

    assert stored - {None} == {config.name for config in STREAMS}
    assert buckets - {None} == {config.name.removeprefix("KV_") for config in BUCKETS}


def stored_channels() -> list[dict[str, Any]]:
    return [channel for channel in DOCUMENT["channels"].values() if "x-jetstream" in channel]


def test_a_channel_has_the_limits_of_its_stream() -> None:
    limits = DOCUMENT["channels"]["own_trade"]["x-jetstream"]

    assert limits["stream"] == "ORDERS"
    assert limits["max_age"] == next(each.max_age_ns for each in STREAMS if each.name == "ORDERS")


def test_the_parameters_are_those_of_the_address() -> None:
    for channel in DOCUMENT["channels"].values():
        assert list(channel["parameters"]) == re.findall(r"\{(\w+)\}", channel["address"])


def test_core_subjects_have_no_stream() -> None:
    assert "x-jetstream" not in DOCUMENT["channels"]["heartbeat"]
    assert asyncapi.stream_of("sweep.{venue}") is None


def test_every_reference_resolves() -> None:
    assert all(isinstance(resolve(each), dict) for each in references(DOCUMENT))


def test_decimals_and_units_are_described() -> None:
    price = DOCUMENT["components"]["schemas"]["Trade"]["properties"]["price"]

    assert (price["type"], price["format"]) == ("string", "decimal")
    assert price["description"] == "Quote currency for one unit of the base currency."


def test_headers_follow_from_the_delivery() -> None:
    channels = DOCUMENT["channels"]

    assert "headers" not in channels["ticker"]["messages"]["Ticker"]
    headers = channels["own_trade"]["messages"]["Trade"]["headers"]
    assert headers["required"] == ["content-type", "schema", "Nats-Msg-Id", "traceparent"]
    assert headers["properties"]["schema"]["const"] == "Trade"
    assert "KV-Operation" in channels["kv_symbols"]["messages"]["SymbolEntry"]["headers"]["properties"]


def test_the_document_names_no_host() -> None:
    assert "servers" not in DOCUMENT
    assert "://" not in asyncapi.text()
