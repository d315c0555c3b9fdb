"""Recreate memory streams of a cluster that have no leader, and restore their number of replicas.

A server that restarts has lost the Raft log of its memory streams. If it is elected by nobody but servers in the same
state, nats-server prefers a stream without a leader to one that has lost messages: with one server down and another one
restarted, for ever. Memory streams hold only what parts publish again, so an empty stream is better than none. File
streams keep their log, and are never deleted.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, Never

from msgspec.structs import replace

from bus.alerts import open_incidents, store_alert
from bus.client.connection import Bus
from bus.client.jetstream import StreamState
from bus.client.message import Received
from bus.errors import Ambiguous, BusError, Conflict, ConnectionClosed, NotPermitted, Rejected, StreamGone
from bus.log import Logger
from bus.runtime import monotonic_s, time_ns, uniform
from bus.streams.history import is_in_cluster
from bus.streams.provision import NO_SUITABLE_PEERS, replicas_of, wire_config
from bus.streams.topology import BUCKETS, STREAMS, Storage, StreamConfig
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import ALL, ALL_VENUES, Stream
from schemas.units import Symbol

CODE = "stream_without_leader"
MAX_LEADERLESS_S = 20.0
"""Longer than two rounds of elections, which take 4 to 9 s each; after two of three servers restarted, 10 s were needed."""
CHECK_INTERVAL_S = 4.0
MIN_INTERVAL_FACTOR, MAX_INTERVAL_FACTOR = 0.75, 1.25
"""Bounds of the actual interval: several parts check the same streams."""
MAX_DELAY_S = 2.0
"""A check that is later than this proves nothing about the time since the previous one."""
UNKNOWN_STREAM = "none"
"""A name that no stream has: the cluster's meta leader answers that it does not exist."""
SUBJECT = subjects.alert(ALL_VENUES, Symbol(ALL))
MEMORY_STREAMS = tuple(each for each in (*STREAMS, *BUCKETS) if each.storage is Storage.MEMORY)


class _Suspect(NamedTuple):
    """A stream without a leader."""

    since_s: float
    alert_sequence: int
    """The newest alert on SUBJECT when it was noticed: the process that stores the next one about it recreates it."""


class LeaderlessStreams:
    """Recreates each memory stream that has had no leader for MAX_LEADERLESS_S while its cluster had one.

    Several processes may do so at once: the one whose alert is stored, without another one about the stream since it
    noticed it, deletes and creates it.
    """

    def __init__(
        self,
        bus: Bus,
        log: Logger,
        *,
        streams: Iterable[StreamConfig] = MEMORY_STREAMS,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """`streams` have to be in memory; `clock` returns seconds."""
        self._bus = bus
        self._log = log
        self._streams = tuple(streams)
        assert all(each.storage is Storage.MEMORY for each in self._streams), "file streams are never deleted"
        self._clock = clock
        self._suspects: dict[str, _Suspect] = {}
        self._open: dict[str, AlertRaised] | None = None
        """The alerts of this code that have not ended; None before they were read."""

    async def run(self) -> Never:
        """Check at an interval, for ever. Raises: ConnectionClosed."""
        while True:
            due_s = self._clock() + CHECK_INTERVAL_S * uniform(MIN_INTERVAL_FACTOR, MAX_INTERVAL_FACTOR)
            await asyncio.sleep(due_s - self._clock())
            await self._bus.wait_connected()
            if self._clock() - due_s > MAX_DELAY_S:
                self._suspects.clear()  # this process was paused or disconnected: nothing is known of the time between
            if self._bus.context.jetstream_api_prefix or not is_in_cluster(self._bus):
                continue  # this user may not create streams, or a single server always answers
            try:
                await self.check()
            except ConnectionClosed:
                raise
            except BusError as error:
                self._log.debug("leader_check_failed", detail=error)
                self._suspects.clear()

    async def check(self) -> None:
        """Look at each stream once, and recreate those that have had no leader for too long. Raises: BusError."""
        if self._open is None:
            self._open = await open_incidents(self._bus, SUBJECT, (CODE,))
        for config in self._streams:
            try:
                state = await self._state(config.name)
            except (StreamGone, NotPermitted):  # `provision` creates it; or it is none of this user's
                self._suspects.pop(config.name, None)
                continue
            if state is None:
                await self._suspect(config)
            else:
                self._suspects.pop(config.name, None)
                await self._end_alerts(config.name, self._open)
                await self._restore_replicas(config, state)

    async def _state(self, name: str) -> StreamState | None:
        """Return the state of a stream as its leader reports it; None if it has none, although the cluster has one.

        Raises: StreamGone, NotPermitted; Ambiguous or Rejected when the cluster has no leader.
        """
        try:
            state = await self._bus.stream_state(name)
        except NotPermitted:
            raise
        except (Ambiguous, Rejected):
            with suppress(StreamGone):
                await self._bus.stream_state(UNKNOWN_STREAM)
            return None
        return state if state.leader else None

    async def _suspect(self, config: StreamConfig) -> None:
        suspect = self._suspects.get(config.name)
        if suspect is None:
            last = await self._bus.last(Stream.ALERTS, SUBJECT)
            self._suspects[config.name] = _Suspect(self._clock(), 0 if last is None else last.sequence)
        elif self._clock() - suspect.since_s >= MAX_LEADERLESS_S:
            del self._suspects[config.name]
            with suppress(Conflict):  # another process recreates it
                await self._recreate(config, suspect.alert_sequence)

    async def _recreate(self, config: StreamConfig, alert_sequence: int) -> None:
        alert = await self._claim(config.name, alert_sequence)
        self._log.error(CODE, stream=config.name, detail=alert.detail)
        with suppress(StreamGone):
            await self._bus.api(f"STREAM.DELETE.{config.name}", None, dict)
        await self._create(config, replicas_of(self._bus.url))

    async def _claim(self, name: str, alert_sequence: int) -> AlertRaised:
        """Store the alert, unless there is another one about the stream after a sequence. Raises: Conflict, BusError."""
        alert = _alert(name)
        assert self._open is not None, "read before the first check"
        self._open[alert.incident] = alert  # also if it is only perhaps stored
        while True:
            try:
                await store_alert(self._bus, alert, expect_last=alert_sequence)
            except Conflict:
                newer = await self._bus.next(Stream.ALERTS, SUBJECT, alert_sequence + 1)
                if newer is None or _is_about(newer, name):
                    del self._open[alert.incident]
                    raise
                alert_sequence = newer.sequence
            else:
                return alert

    async def _create(self, config: StreamConfig, replicas: int) -> None:
        wanted = wire_config(config)
        try:
            await self._bus.api(f"STREAM.CREATE.{config.name}", {**wanted, "num_replicas": replicas}, dict)
        except Rejected as error:
            if error.code != NO_SUITABLE_PEERS or replicas == 1:
                raise
            await self._create(config, 1)  # a server is down: more replicas once it is back

    async def _restore_replicas(self, config: StreamConfig, state: StreamState) -> None:
        replicas = replicas_of(self._bus.url)
        if state.replicas >= replicas:
            return
        wanted = {**wire_config(config), "num_replicas": replicas}
        try:
            await self._bus.api(f"STREAM.UPDATE.{config.name}", wanted, dict)
        except Rejected as error:
            if error.code != NO_SUITABLE_PEERS:
                raise
        else:
            self._log.info("stream_replicas_restored", stream=config.name, replicas=replicas)

    async def _end_alerts(self, name: str, alerts: dict[str, AlertRaised]) -> None:
        for incident, alert in alerts.copy().items():
            if incident.startswith(f"{CODE}.{name}."):
                detail = f"The stream {name} has a leader again."
                await store_alert(self._bus, replace(alert, ended=True, detail=detail, time=time_ns()))
                del alerts[incident]


def _is_about(message: Received, name: str) -> bool:
    alert = try_decode(message.data, AlertRaised)
    return alert is not None and alert.incident.startswith(f"{CODE}.{name}.")


def _alert(name: str) -> AlertRaised:
    now = time_ns()
    return AlertRaised(
        venue=ALL_VENUES,
        symbol=Symbol(ALL),
        severity=Severity.HIGH,
        code=CODE,
        detail=(
            f"The servers of the bus elected no leader for the stream {name} for {MAX_LEADERLESS_S:g} s. It is in memory: "
            "it was deleted and created again, and the parts publish again what was in it."
        ),
        step=0,
        time=now,
        incident=f"{CODE}.{name}.{now}",
    )
