"""Provisioning of streams and buckets."""

import asyncio
import dataclasses
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bus import Bus, FromStart, TopologyDiffers, connect, provision, read
from bus.streams.provision import replicas_of, wire_config
from bus.streams.topology import BUCKETS, STREAMS, Storage, StreamConfig
from schemas.subjects import Stream
from tests.bus.events import event, numbers, store_many, until_caught_up
from tests.conftest import NewServer

ORDERS = next(config for config in STREAMS if config.name == "ORDERS")
SMALL = dataclasses.replace(ORDERS, name="SMALL", subjects=("small.>",), max_messages_per_subject=3)


async def config_of(bus: Bus, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await bus.api(f"STREAM.INFO.{name}", None, dict[str, Any]))["config"]
    return found


@pytest.fixture
async def small(bus: Bus) -> StreamConfig:
    """Create a stream of three messages per subject, in its initial configuration."""
    if "SMALL" in await _names(bus):
        await bus.api("STREAM.DELETE.SMALL", None, dict)
    await provision(bus, streams=[SMALL])
    return SMALL


async def _names(bus: Bus) -> list[str]:
    names: list[str] = (await bus.api("STREAM.NAMES", {}, dict[str, Any]))["streams"] or []
    return names


async def test_concurrent_provisioning_creates_every_stream(new_server: NewServer) -> None:
    server = await new_server()
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(connect(server.url, name=f"{n}")) for n in range(5)]
        await asyncio.gather(*(provision(bus) for bus in buses))
        names = await _names(buses[0])

    assert sorted(names) == sorted([*Stream, *(bucket.name for bucket in BUCKETS)])


@pytest.mark.parametrize("config", [*STREAMS, *BUCKETS], ids=lambda config: config.name)
async def test_a_stream_has_the_configuration_of_the_topology(bus: Bus, config: StreamConfig) -> None:
    found = await config_of(bus, config.name)

    assert {key: found.get(key) for key in wire_config(config)} == wire_config(config)


async def test_provisioning_again_changes_nothing(bus: Bus) -> None:
    before = [await bus.stream_created(config.name) for config in STREAMS]
    await provision(bus)

    assert [await bus.stream_created(config.name) for config in STREAMS] == before


async def test_mutable_fields_are_updated_and_messages_kept(bus: Bus, small: StreamConfig) -> None:
    await bus.store("small.a", event(1))

    await provision(bus, streams=[dataclasses.replace(small, max_messages_per_subject=5, description="new")])

    found = await config_of(bus, "SMALL")
    assert (found["max_msgs_per_subject"], found["description"]) == (5, "new")
    assert await bus.last("SMALL", "small.a") is not None


async def test_a_bucket_of_an_earlier_version_learns_to_republish(bus: Bus) -> None:
    (bucket,) = [each for each in BUCKETS if each.name == "KV_symbols"]
    config = {key: value for key, value in wire_config(bucket).items() if key != "republish"}
    await bus.api("STREAM.DELETE.KV_symbols", None, dict)
    await bus.api("STREAM.CREATE.KV_symbols", config, dict)
    await provision(bus)

    assert (await config_of(bus, "KV_symbols"))["republish"]["dest"] == "live.$KV.symbols.>"


async def test_other_options_are_left_to_the_operator(bus: Bus, small: StreamConfig) -> None:
    await bus.api("STREAM.UPDATE.SMALL", {**await config_of(bus, "SMALL"), "max_msg_size": 5000}, dict)

    await provision(bus, streams=[dataclasses.replace(small, description="new")])

    assert (await config_of(bus, "SMALL"))["max_msg_size"] == 5000


async def test_a_difference_in_an_immutable_field_is_an_error(bus: Bus, small: StreamConfig) -> None:
    with pytest.raises(TopologyDiffers, match="stream SMALL differs: storage is 'file', has to be 'memory'"):
        await provision(bus, streams=[dataclasses.replace(small, storage=Storage.MEMORY)])


async def test_an_update_rejected_by_the_server_is_an_error(bus: Bus, small: StreamConfig) -> None:
    taken = dataclasses.replace(small, subjects=("order.>",))

    with pytest.raises(
        TopologyDiffers, match=r"subjects is \['small.>'\].*the server says: subjects overlap"
    ):
        await provision(bus, streams=[taken])


async def test_a_limit_per_subject_discards_its_oldest(bus: Bus, small: StreamConfig) -> None:
    await store_many(bus, "small.a", 5)
    await bus.store("small.b", event(9))

    found = await until_caught_up(read(bus, "SMALL", ["small.>"], FromStart()))

    assert numbers(found) == [2, 3, 4, 9]


def test_no_file_stream_discards_messages_to_save_space() -> None:
    for config in STREAMS:
        if config.storage is Storage.FILE:
            assert (config.discard.value, config.max_bytes) == ("new", -1), config.name


@pytest.mark.parametrize(
    ("url", "replicas"),
    [("nats://a:1", 1), ("nats://a:1,nats://b:1", 1), ("nats://a:1,nats://b:1,nats://c:1", 3)],
)
def test_replicas_depend_on_the_number_of_servers(url: str, replicas: int) -> None:
    assert replicas_of(url) == replicas
