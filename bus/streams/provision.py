"""Making the bus as `topology` has it, by anybody, any time, any number at once."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from bus.client.connection import LOOK_WITHIN_S, Bus
from bus.errors import Ambiguous, NoSpace, Refused, StreamGone, TopologyDiffers
from bus.log import get_logger
from bus.streams.topology import BUCKETS, LIVE_PREFIX, STREAMS, StreamConfig

WireConfig: TypeAlias = dict[str, Any]
"""A stream's configuration as JetStream writes it; it has more in it than we know."""

FIXED = frozenset({"storage", "retention"})
"""What the server never changes of a stream that there is."""
NAME_IN_USE = 10058
UNAVAILABLE = 503
STORE_NOT_MADE = 10049
NO_SUITABLE_PEERS = 10005
"""Not all servers of the cluster have joined it yet."""
RETRY_S = 0.05
RETRY_MAX_S = 2.0
CLUSTER_REPLICAS = 3
"""One may be lost. Two would survive no more than one does, and be slower."""

_log = get_logger("bus")


class _Info(msgspec.Struct, frozen=True):
    config: WireConfig


async def provision(
    bus: Bus, *, replicas: int | None = None, streams: Iterable[StreamConfig] = (*STREAMS, *BUCKETS)
) -> None:
    """Create the streams that are missing and update those that differ, waiting for the bus as long as it takes.

    `replicas` is for new streams, `replicas_of` the bus when it is not named; those that there are keep theirs.
    Raises: TopologyDiffers when one is there that cannot be made what it has to be; NoSpace, Refused.
    """
    for config in streams:
        await _persist(bus, config, replicas_of(bus.url) if replicas is None else replicas)


def replicas_of(url: str) -> int:
    """Return on how many servers a stream is kept: on three when that many are named in a bus's address, else on one."""
    return CLUSTER_REPLICAS if url.count(",") + 1 >= CLUSTER_REPLICAS else 1


async def _persist(bus: Bus, config: StreamConfig, replicas: int) -> None:
    delay = RETRY_S
    while True:
        await bus.wait_connected()
        try:
            await _provision(bus, config, replicas)
        except (Ambiguous, Refused) as error:
            # All of it can be done twice.
            if not _passes(error) and not (_is_being_deleted(error) and delay < RETRY_MAX_S):
                raise
            _log.warning("not_provisioned", stream=config.name, detail=error, do="trying again")
        else:
            return
        await asyncio.sleep(delay)
        delay = min(2 * delay, RETRY_MAX_S)


def _passes(error: Ambiguous | Refused) -> bool:
    if isinstance(error, Ambiguous) or error.code == NO_SUITABLE_PEERS:
        return True
    return error.status == UNAVAILABLE and not isinstance(error, NoSpace)


def _is_being_deleted(error: Ambiguous | Refused) -> bool:
    # A stream that was deleted a moment ago may still have its files there; or the disk is broken.
    return isinstance(error, Refused) and error.code == STORE_NOT_MADE


async def _provision(bus: Bus, config: StreamConfig, replicas: int) -> None:
    wanted = wire_config(config)
    while True:
        try:
            found = (await bus.api(f"STREAM.INFO.{config.name}", None, _Info, LOOK_WITHIN_S)).config
        except StreamGone:
            if await _created(bus, config.name, {**wanted, "num_replicas": replicas}):
                return
        else:
            await _update(bus, config.name, found, wanted)
            return


async def _created(bus: Bus, name: str, wanted: WireConfig) -> bool:
    try:
        await bus.api(f"STREAM.CREATE.{name}", wanted, _Info)
    except Refused as error:
        if error.code == NAME_IN_USE:  # somebody else was faster, with another configuration
            return False
        raise
    return True


async def _update(bus: Bus, name: str, found: WireConfig, wanted: WireConfig) -> None:
    differing = {key for key, value in wanted.items() if found.get(key) != value}
    if not differing:
        return
    if not_to_change := differing & FIXED:
        raise TopologyDiffers(name, _difference(not_to_change, found, wanted))
    try:
        await bus.api(f"STREAM.UPDATE.{name}", {**found, **wanted}, _Info)
    except Refused as error:
        difference = f"{_difference(differing, found, wanted)}; the server says: {error.description}"
        raise TopologyDiffers(name, difference) from error


def wire_config(config: StreamConfig) -> WireConfig:
    """Return what we ask of a stream, as JetStream writes it."""
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
    else:
        (subject,) = config.subjects
        wire["republish"] = {"src": subject, "dest": f"{LIVE_PREFIX}{subject}"}
    return wire


def _difference(keys: Iterable[str], found: WireConfig, wanted: WireConfig) -> str:
    return ", ".join(f"{key} is {found.get(key)!r}, has to be {wanted[key]!r}" for key in sorted(keys))
