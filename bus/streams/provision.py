"""Create and update the streams of `topology`. Idempotent, and safe to run concurrently in any process."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from bus.backoff import Backoff
from bus.client.connection import Bus
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.errors import Ambiguous, NoSpace, Rejected, StreamGone, TopologyDiffers
from bus.log import get_logger
from bus.streams.topology import BUCKETS, LIVE_PREFIX, STREAMS, StreamConfig

WireConfig: TypeAlias = dict[str, Any]
"""A stream configuration in JetStream's JSON; it may have fields unknown here."""

IMMUTABLE = frozenset({"storage", "retention"})
"""Fields that cannot be changed in an existing stream."""
NAME_IN_USE = 10058
UNAVAILABLE = 503
STORE_NOT_CREATED = 10049
"""The directory of the stream could not be created: its deleted predecessor may still have files there."""
NO_SUITABLE_PEERS = 10005
"""Not all servers have joined the cluster yet."""
RETRY_S = 0.05
MAX_RETRY_S = 2.0
CLUSTER_REPLICAS = 3
"""Tolerates the loss of one server. Two replicas would tolerate none, and be slower than one."""

_log = get_logger("bus")


class _Info(msgspec.Struct, frozen=True):
    config: WireConfig


async def provision(
    bus: Bus, *, replicas: int | None = None, streams: Iterable[StreamConfig] = (*STREAMS, *BUCKETS)
) -> None:
    """Create missing streams and update differing ones, waiting for the bus if necessary.

    `replicas` applies to new streams and defaults to `replicas_of` the bus; existing streams keep theirs.
    Raises: TopologyDiffers when an existing stream differs in a field that cannot be changed; NoSpace, Rejected.
    """
    for config in streams:
        await _provision_with_retries(bus, config, replicas_of(bus.url) if replicas is None else replicas)


def replicas_of(url: str) -> int:
    """Return the replicas of new streams: 3 when the bus URL names at least three servers, otherwise 1."""
    return CLUSTER_REPLICAS if url.count(",") + 1 >= CLUSTER_REPLICAS else 1


async def _provision_with_retries(bus: Bus, config: StreamConfig, replicas: int) -> None:
    backoff = Backoff(RETRY_S, MAX_RETRY_S)
    while True:
        await bus.wait_connected()
        try:
            await _provision(bus, config, replicas)
        except (Ambiguous, Rejected) as error:
            # Provisioning is idempotent, so an ambiguous outcome can be retried.
            is_deleting = _is_being_deleted(error) and backoff.next_s < MAX_RETRY_S
            if not _is_temporary(error) and not is_deleting:
                raise
            _log.warning("provision_retry", stream=config.name, detail=error)
        else:
            return
        await backoff.wait()


def _is_temporary(error: Ambiguous | Rejected) -> bool:
    if isinstance(error, Ambiguous) or error.code == NO_SUITABLE_PEERS:
        return True
    return error.status == UNAVAILABLE and not isinstance(error, NoSpace)


def _is_being_deleted(error: Ambiguous | Rejected) -> bool:
    # Also the error of a broken disk, hence the limited number of retries.
    return isinstance(error, Rejected) and error.code == STORE_NOT_CREATED


async def _provision(bus: Bus, config: StreamConfig, replicas: int) -> None:
    wanted = wire_config(config)
    while True:
        try:
            found = (await bus.api(f"STREAM.INFO.{config.name}", None, _Info, LOOKUP_TIMEOUT_S)).config
        except StreamGone:
            if await _create(bus, config.name, {**wanted, "num_replicas": replicas}):
                return
        else:
            await _update(bus, config.name, found, wanted)
            return


async def _create(bus: Bus, name: str, wanted: WireConfig) -> bool:
    try:
        await bus.api(f"STREAM.CREATE.{name}", wanted, _Info)
    except Rejected as error:
        if error.code == NAME_IN_USE:  # created concurrently with another configuration: update it
            return False
        raise
    return True


async def _update(bus: Bus, name: str, found: WireConfig, wanted: WireConfig) -> None:
    differing = {key for key, value in wanted.items() if found.get(key) != value}
    if not differing:
        return
    if immutable := differing & IMMUTABLE:
        raise TopologyDiffers(name, _difference(immutable, found, wanted))
    try:
        await bus.api(f"STREAM.UPDATE.{name}", {**found, **wanted}, _Info)
    except Rejected as error:
        difference = f"{_difference(differing, found, wanted)}; the server says: {error.description}"
        raise TopologyDiffers(name, difference) from error


def wire_config(config: StreamConfig) -> WireConfig:
    """Return a stream configuration in JetStream's JSON."""
    wire: WireConfig = {
        "name": config.name,
        "description": config.description,
        "subjects": list(config.subjects),
        "retention": "limits",
        "storage": config.storage.value,
        "discard": config.discard.value,
        "max_age": config.max_age_ns,
        "max_msgs_per_subject": config.max_messages_per_subject,
        "max_bytes": config.max_bytes,
        "allow_direct": True,
        "allow_msg_ttl": config.allow_message_ttl,
    }
    if config.is_bucket:
        wire |= {"deny_delete": True, "allow_rollup_hdrs": True}
    (subject,) = config.subjects
    wire["republish"] = {"src": subject, "dest": f"{LIVE_PREFIX}{subject}"}
    return wire


def _difference(keys: Iterable[str], found: WireConfig, wanted: WireConfig) -> str:
    return ", ".join(f"{key} is {found.get(key)!r}, has to be {wanted[key]!r}" for key in sorted(keys))
