"""Mirrors of the streams in the account READ, for people with the `nats` tool.

A mirror is fed by a consumer that the administrator creates in TRADE. READ may reset this consumer, but create none: who
could create consumers in TRADE could publish stored messages on any subject there.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

import msgspec

from bus.client.connection import Bus
from bus.client.jetstream import parse_time_ns
from bus.errors import NotPermitted, Rejected, StreamGone
from bus.secure.accounts import READ_API, TRADE_API
from bus.secure.layout import MIRROR, MIRROR_PREFIX, MIRRORED
from bus.streams.topology import Storage, StreamConfig

T = TypeVar("T")

WireConfig: TypeAlias = dict[str, Any]

MEBIBYTE = 1024 * 1024
MAX_MEMORY_BYTES = 32 * MEBIBYTE
MAX_FILE_BYTES = 256 * MEBIBYTE
"""Sizes of a mirror; beyond it the oldest messages are discarded."""
MAX_UNACKNOWLEDGED = 5000
HEARTBEAT_NS = 1_000_000_000
NO_CONSUMER = 10014
UNAVAILABLE = 503
LOOKUP_TIMEOUT_S = 2.0


class _Info(msgspec.Struct, frozen=True):
    config: WireConfig
    created: str


async def has_mirrors(bus: Bus) -> bool:
    """Return whether this connection can create mirrors: the administrator of a secured bus can."""
    if bus.context.jetstream_api_prefix:
        return False
    try:
        await _read_api(bus, "INFO", None, dict)
    except (NotPermitted, Rejected):
        return False
    return True


async def mirror_differences(bus: Bus, streams: Iterable[StreamConfig] = MIRRORED) -> list[str]:
    """Return the names of the streams whose mirror is missing or differs, also of streams that are missing themselves.

    Raises: Rejected, Ambiguous.
    """
    return [each.name for each in streams if not await _is_provisioned(bus, each)]


async def provision_mirrors(bus: Bus, streams: Iterable[StreamConfig] = MIRRORED) -> list[str]:
    """Create the mirrors that are missing or differ, and return the names of their streams.

    Call it after `provision`, as the administrator. A mirror of a stream that was recreated is recreated.
    Raises: StreamGone when a stream does not exist; Rejected, Ambiguous.
    """
    changed = [each for each in streams if not await _is_provisioned(bus, each)]
    for each in changed:
        await _provision(bus, each)
    return [each.name for each in changed]


async def _is_provisioned(bus: Bus, stream: StreamConfig) -> bool:
    try:
        origin = await bus.api(f"STREAM.INFO.{stream.name}", None, _Info, LOOKUP_TIMEOUT_S)
    except StreamGone:
        return False
    mirror = await _mirror(bus, stream.name)
    if mirror is None or _is_older(mirror, origin) or _differs(mirror.config, mirror_config(stream)):
        return False
    return await _has_consumer(bus, stream)


async def _provision(bus: Bus, stream: StreamConfig) -> None:
    origin = await bus.api(f"STREAM.INFO.{stream.name}", None, _Info, LOOKUP_TIMEOUT_S)
    if not await _has_consumer(bus, stream):
        body = {"stream_name": stream.name, "config": consumer_config(stream)}
        await bus.api(f"CONSUMER.DURABLE.CREATE.{stream.name}.{MIRROR}", body, dict)
    mirror, wanted = await _mirror(bus, stream.name), mirror_config(stream)
    if mirror is not None and _is_older(mirror, origin):
        # It has the sequences of an earlier stream.
        await _read_api(bus, f"STREAM.DELETE.{stream.name}", None, dict)
        mirror = None
    if mirror is None:
        await _read_api(bus, f"STREAM.CREATE.{stream.name}", wanted, dict)
    else:
        await _read_api(bus, f"STREAM.UPDATE.{stream.name}", {**mirror.config, **wanted}, dict)


def _is_older(mirror: _Info, origin: _Info) -> bool:
    return parse_time_ns(mirror.created) < parse_time_ns(origin.created)


async def _mirror(bus: Bus, name: str) -> _Info | None:
    try:
        return await _read_api(bus, f"STREAM.INFO.{name}", None, _Info)
    except StreamGone:
        return None


async def _has_consumer(bus: Bus, stream: StreamConfig) -> bool:
    try:
        found = await bus.api(f"CONSUMER.INFO.{stream.name}.{MIRROR}", None, _Info, LOOKUP_TIMEOUT_S)
    except Rejected as error:
        if error.code != NO_CONSUMER:
            raise
        return False
    return not _differs(found.config, consumer_config(stream))


def _differs(found: WireConfig, wanted: WireConfig) -> bool:
    return any(found.get(key) != value for key, value in wanted.items())


def consumer_config(stream: StreamConfig) -> WireConfig:
    """Return the consumer in TRADE that feeds the mirror of a stream, in JetStream's JSON."""
    return {
        "name": MIRROR,
        "durable_name": MIRROR,
        "deliver_subject": f"{MIRROR_PREFIX}{stream.name}",
        "deliver_policy": "all",
        "ack_policy": "flow_control",
        "max_ack_pending": MAX_UNACKNOWLEDGED,
        "flow_control": True,
        "idle_heartbeat": HEARTBEAT_NS,
    }


def mirror_config(stream: StreamConfig) -> WireConfig:
    """Return the configuration of the mirror of a stream, in JetStream's JSON."""
    is_in_memory = stream.storage is Storage.MEMORY
    return {
        "name": stream.name,
        "description": f"Mirror: {stream.description}",
        "storage": stream.storage.value,
        "retention": "limits",
        "discard": "old",
        "max_bytes": MAX_MEMORY_BYTES if is_in_memory else MAX_FILE_BYTES,
        "max_age": stream.max_age_ns,
        "max_msgs_per_subject": stream.max_messages_per_subject,
        "allow_direct": True,
        # While its server is down, there is no mirror; replicas would have to be written to the disk at once.
        "num_replicas": 1,
        # Not written to the disk at once: it can be fetched again.
        **({} if is_in_memory else {"persist_mode": "async"}),
        "mirror": {
            "name": stream.name,
            "consumer": {"name": MIRROR, "deliver_subject": f"{MIRROR_PREFIX}{stream.name}"},
            "external": {"api": TRADE_API, "deliver": ""},
        },
    }


async def _read_api(bus: Bus, endpoint: str, body: object, kind: type[T]) -> T:
    return await bus.api(endpoint, body, kind, LOOKUP_TIMEOUT_S, prefix=READ_API)
