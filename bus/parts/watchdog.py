"""Watch the heartbeats of all parts, and notice those that fall silent."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Never

from bus.attention import TICK_S, Attention
from bus.client.message import Received
from bus.errors import BusError, ConnectionClosed
from bus.log import Logger
from bus.parts.alerts import PartAlerts
from bus.parts.fold import (
    FORGET_NS,
    MISSING_AFTER_NS,
    SILENT_AFTER_NS,
    Observation,
    ReceivedHeartbeat,
    evaluate,
)
from bus.parts.heartbeats import Heartbeats
from bus.parts.reader import heartbeat_in
from bus.parts.view import PartsView
from bus.runtime import background_s, monotonic_s
from bus.streams.latest import LatestValues
from bus.streams.provision import provision
from bus.symbols import follow_symbols
from schemas.subjects import Stream
from schemas.units import SECOND_NS, TimeNs

DISCONNECTED_AFTER_S = 1.0
"""Without a connection for this time the bus is called silent."""
DOUBTFUL_AFTER_S = 1.5
"""Without own heartbeats for this time it is checked whether their stream still exists."""
RETRY_S = 1.0


class Watchdog:
    """Keeps the state of all parts, from their heartbeats and the traded symbols on the bus.

    The watcher's own heartbeats, which the bus sends back, show whether the bus answers.
    """

    def __init__(
        self,
        heartbeats: Heartbeats,
        log: Logger,
        *,
        alerts: bool = False,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """`heartbeats` are those of this process, which publishes them; with `alerts`, it raises and ends alerts."""
        self._bus = heartbeats.bus
        self._heartbeats = heartbeats
        self._own = (heartbeats.kind, heartbeats.name)
        self._log = log
        self._alerts = PartAlerts(heartbeats.bus, log) if alerts else None
        self._known: tuple[str, ...] = ()
        self._clock = clock
        self._attention = Attention(clock)
        self._by_part: dict[tuple[str, str], ReceivedHeartbeat] = {}
        self._roster: set[str] = set()
        self._own_received_s = self._connected_s = clock()
        self._newest_ns: TimeNs = 0
        self._newest_s = clock()
        self._was_bus_silent = False
        self._silent_since_s = self._own_received_s
        self._view = PartsView()
        self._shown: object = None
        self._callbacks: list[Callable[[], object]] = []

    def view(self) -> PartsView:
        """Return the newest state of all parts."""
        return self._view

    def on_change(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back after each change other than of ages; return a function that removes the callback."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def run(self) -> Never:
        """Watch for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_parts(), name="parts")
            tasks.create_task(self._follow_roster(), name="parts needed")
            if self._alerts is not None:
                tasks.create_task(self._alerts.run(), name="alerts of parts")
            while True:
                self.evaluate()
                await asyncio.sleep(background_s(TICK_S))
        raise AssertionError("its tasks run for ever")

    def apply(self, message: Received) -> None:
        """Apply a heartbeat, as stored."""
        if (received := heartbeat_in(message)) is None:
            return
        part = received.heartbeat.kind, received.heartbeat.name
        self._by_part[part] = received
        if received.time_ns >= self._newest_ns:
            self._newest_ns, self._newest_s = received.time_ns, self._clock()
        if part == self._own:
            self._own_received_s = self._clock()
            oldest_ns = received.time_ns - FORGET_NS
            self._by_part = {
                each: found for each, found in self._by_part.items() if found.time_ns > oldest_ns
            }

    def set_roster(self, keys: set[str]) -> None:
        """Set the registry keys of the traded symbols."""
        self._roster = keys

    def evaluate(self) -> None:
        """Derive the state of all parts from the heartbeats received up to now, and call back after a change."""
        now_s = self._attention.tick()
        # A pause of this process does not end the silence of the bus: only a heartbeat that comes back does.
        is_bus_silent = self._is_bus_silent(now_s) or self._own_received_s < self._silent_since_s
        if self._was_bus_silent and not is_bus_silent:
            self._attention.restart()  # nothing could be received meanwhile
        if is_bus_silent and not self._was_bus_silent:
            self._silent_since_s = now_s
        self._was_bus_silent = is_bus_silent
        self._view = evaluate(
            Observation(
                heartbeats=self._by_part.values(),
                # Silence is measured up to the newest heartbeat of any part: when the bus delivers none, none is to blame.
                now_ns=self._newest_ns,
                roster=self._roster,
                bus_url=self._bus.url,
                bus_option=self._bus.context.option,
                attentive_since_ns=self._bus_time_ns(self._attention.attentive_since_s),
                is_bus_silent=is_bus_silent,
                known=self._known,
            )
        )
        if not is_bus_silent:
            self._known = tuple(part.incident for part in self._view.parts if part.incident)
        self._notify()
        if self._alerts is not None:
            attentive_s = now_s - self._attention.attentive_since_s
            self._alerts.update(self._view, may_end=attentive_s >= background_s(MISSING_AFTER_NS / SECOND_NS))

    def _is_bus_silent(self, now_s: float) -> bool:
        if self._bus.is_connected:
            self._connected_s = now_s
        if self._attention.silence_s(self._own_received_s) >= background_s(DOUBTFUL_AFTER_S):
            self._heartbeats.check_stream()
        is_disconnected = self._attention.silence_s(self._connected_s) >= DISCONNECTED_AFTER_S
        return is_disconnected or self._attention.silence_s(self._own_received_s) >= background_s(
            SILENT_AFTER_NS / SECOND_NS
        )

    def _bus_time_ns(self, time_s: float) -> TimeNs:
        return self._newest_ns + int((time_s - self._newest_s) * SECOND_NS)

    def _notify(self) -> None:
        parts = [
            (each.kind, each.name, each.state, each.symbols, each.detail, each.is_replaced)
            for each in self._view.parts
        ]
        shown = parts, self._view.problems, self._view.blocked_symbols, self._view.blocked_all
        if shown == self._shown:
            return
        self._shown = shown
        for callback in tuple(self._callbacks):
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one failing listener must not end the watch
                self._log.error("listener_failed", detail=repr(error), exception=error)

    async def _follow_parts(self) -> Never:
        while True:
            try:
                async with LatestValues(self._bus, Stream.PARTS, ("part.>",)) as parts:
                    async for message in parts:
                        self.apply(message)
            except ConnectionClosed:
                raise
            except BusError as error:
                await self._recover(error)

    async def _follow_roster(self) -> Never:
        while True:
            keys: set[str] = set()
            try:
                async with aclosing(follow_symbols(self._bus, self._log)) as changes:
                    async for key, entry in changes:
                        (keys.discard if entry is None else keys.add)(key)
                        self.set_roster(keys)
            except ConnectionClosed:
                raise
            except BusError as error:
                await self._recover(error)

    async def _recover(self, error: BusError) -> None:
        self._log.warning("parts_not_read", detail=str(error))
        await asyncio.sleep(RETRY_S)
        try:
            await provision(self._bus)
        except BusError as failed:
            self._log.error("provision_failed", detail=str(failed))
