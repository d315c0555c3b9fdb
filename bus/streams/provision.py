"""Create and update the streams of `topology`. Idempotent, and safe to run concurrently in any process.

A user who may not create streams waits until `opensqt apply` has created them.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakSet

import msgspec

from bus.backoff import Backoff
from bus.client.connection import Bus
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S
from bus.errors import Ambiguous, NoSpace, NotPermitted, Rejected, StreamGone, TopologyDiffers
from bus.log import get_logger
from bus.runtime import monotonic_s
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
WAIT_LOG_S, MAX_WAIT_LOG_S = 5.0, 300.0
"""Interval at which a missing stream is logged: the first one, doubling up to the second."""
APPLY = "./opensqt apply FILE"
"""The command that creates and updates the streams."""
CLUSTER_REPLICAS = 3
"""Tolerates the loss of one server. Two replicas would tolerate none, and be slower than one."""

_log = get_logger("bus")
_readers: WeakSet[Bus] = WeakSet()
"""Connections of users who may not create streams."""

OnWait = Callable[[str], None]
"""Called with what is waited for, and with an empty text when it is there."""


class _Info(msgspec.Struct, frozen=True):
    config: WireConfig


class StreamDifference(NamedTuple):
    """How the stream on the bus differs from its configuration."""

    config: StreamConfig
    changes: tuple[str, ...] = ()
    """Such as `max_age is 0, has to be 600000000000`; empty if the stream is missing."""
    is_immutable: bool = False
    """Whether a field differs that cannot be changed."""


async def provision(
    bus: Bus,
    *,
    replicas: int | None = None,
    streams: Iterable[StreamConfig] = (*STREAMS, *BUCKETS),
    on_wait: OnWait = lambda _: None,
) -> None:
    """Create missing streams and update differing ones, waiting for the bus if necessary.

    `replicas` applies to new streams and defaults to `replicas_of` the bus; existing streams keep theirs. Where the
    connection's user may not create streams, waits until they exist; streams that it may not see are skipped.
    Raises: TopologyDiffers when an existing stream differs in a field that cannot be changed, or that this user may not
    change; NoSpace, Rejected.
    """
    for config in streams:
        count = replicas_of(bus.url) if replicas is None else replicas
        await _provision_with_retries(bus, config, count, on_wait)
    on_wait("")


async def stream_differences(
    bus: Bus, streams: Iterable[StreamConfig] = (*STREAMS, *BUCKETS)
) -> list[StreamDifference]:
    """Return the streams that `provision` would create or update.

    Raises: NotPermitted, Rejected, Ambiguous.
    """
    found = []
    for config in streams:
        try:
            stored = (await bus.api(f"STREAM.INFO.{config.name}", None, _Info, LOOKUP_TIMEOUT_S)).config
        except StreamGone:
            found.append(StreamDifference(config))
            continue
        wanted = wire_config(config)
        if differing := _differing(stored, wanted):
            texts = tuple(_difference({key}, stored, wanted) for key in sorted(differing))
            found.append(StreamDifference(config, texts, is_immutable=bool(differing & IMMUTABLE)))
    return found


def replicas_of(url: str) -> int:
    """Return the replicas of new streams: 3 when the bus URL names at least three servers, otherwise 1."""
    return CLUSTER_REPLICAS if url.count(",") + 1 >= CLUSTER_REPLICAS else 1


async def _provision_with_retries(bus: Bus, config: StreamConfig, replicas: int, on_wait: OnWait) -> None:
    backoff, waiting = Backoff(RETRY_S, MAX_RETRY_S), _WaitLog(config.name, on_wait)
    while True:
        await bus.wait_connected()
        try:
            if not await _provision(bus, config, replicas):
                waiting.note()
                await backoff.wait()
                continue
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


class _WaitLog:
    """Logs at growing intervals that a stream is missing which this user may not create."""

    def __init__(self, stream: str, on_wait: OnWait) -> None:
        self._stream = stream
        self._on_wait = on_wait
        self._backoff = Backoff(WAIT_LOG_S, MAX_WAIT_LOG_S)
        self._next_s = 0.0

    def note(self) -> None:
        self._on_wait(f"the stream {self._stream} is missing, and this user may not create it: {APPLY}")
        if monotonic_s() >= self._next_s:
            self._next_s = monotonic_s() + self._backoff.delay()
            _log.warning("stream_missing", stream=self._stream, do=APPLY)


async def _provision(bus: Bus, config: StreamConfig, replicas: int) -> bool:
    """Create or update a stream; return whether it exists now."""
    wanted = wire_config(config)
    while True:
        try:
            found = (await bus.api(f"STREAM.INFO.{config.name}", None, _Info, LOOKUP_TIMEOUT_S)).config
        except NotPermitted:
            return True  # not a stream of this user
        except StreamGone:
            # An API under a prefix is that of another account, whose administrator creates the streams.
            if bus in _readers or bus.context.jetstream_api_prefix:
                return False
            try:
                if await _create(bus, config.name, {**wanted, "num_replicas": replicas}):
                    return True
            except NotPermitted:
                _readers.add(bus)
                return False
        else:
            await _update(bus, config.name, found, wanted)
            return True


async def _create(bus: Bus, name: str, wanted: WireConfig) -> bool:
    try:
        await bus.api(f"STREAM.CREATE.{name}", wanted, _Info)
    except Rejected as error:
        if error.code == NAME_IN_USE:  # created concurrently with another configuration: update it
            return False
        raise
    return True


async def _update(bus: Bus, name: str, found: WireConfig, wanted: WireConfig) -> None:
    differing = _differing(found, wanted)
    if not differing:
        return
    if immutable := differing & IMMUTABLE:
        raise TopologyDiffers(name, _difference(immutable, found, wanted))
    try:
        await bus.api(f"STREAM.UPDATE.{name}", {**found, **wanted}, _Info)
    except NotPermitted as error:
        difference = f"{_difference(differing, found, wanted)}; this user may not change it: {APPLY}"
        raise TopologyDiffers(name, difference) from error
    except Rejected as error:
        difference = f"{_difference(differing, found, wanted)}; the server says: {error.description}"
        raise TopologyDiffers(name, difference) from error


def _differing(found: WireConfig, wanted: WireConfig) -> set[str]:
    return {key for key, value in wanted.items() if found.get(key) != value}


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
        # A rollup header would let the writer of one key delete all others.
        wire |= {"deny_delete": True, "allow_rollup_hdrs": False}
    (subject,) = config.subjects
    wire["republish"] = {"src": subject, "dest": f"{LIVE_PREFIX}{subject}"}
    return wire


def _difference(keys: Iterable[str], found: WireConfig, wanted: WireConfig) -> str:
    return ", ".join(f"{key} is {found.get(key)!r}, has to be {wanted[key]!r}" for key in sorted(keys))
