"""Engine watchdog: cancels the opening orders of a symbol when its engine sends no heartbeats.

While the engine is silent, the executor sends no opening orders either. Closing orders stay.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from bus import Attention, Bus, BusError, Logger, NotPermitted
from bus.alerts import FORMAT_TOO_NEW, open_incidents
from bus.marks import reached
from bus.runtime import monotonic_s, time_ns
from producers.gateway.holdings import SymbolHoldings
from producers.ports import DeadManSwitch
from producers.retry import Outbox, retry
from schemas import subjects
from schemas.engine.events import AlertRaised, EngineHeartbeat, Severity
from schemas.subjects import registry_key
from schemas.units import SECOND_NS, ClientOrderId, Symbol, VenueId

FIRST_HEARTBEAT_S = 10.0
"""Seconds for the engine's first heartbeat after the start of the gateway, unless the timeout is longer."""
DEFERRALS_PER_TIMEOUT = 3
"""How often the dead man's switch is deferred within its time, so that one lost request does not trigger it."""
ENGINE_SILENT = "engine_silent"
ENGINE_HEARD = "engine_heard"
CONTRADICTED = (ENGINE_SILENT, "quarantined", FORMAT_TOO_NEW)
"""Alerts about a symbol that is not run: its engine sends heartbeats only while it runs it."""
STEADY_S = 30.0
"""Time of heartbeats that ends them: a symbol that fails again and again sends some in between."""

Cancel = Callable[[ClientOrderId], Coroutine[Any, Any, None]]


class HeartbeatMonitor:
    """Measures by the monotonic clock whether the engine of one symbol sent its heartbeats in time.

    A pause of this process is not the engine's silence: its heartbeats of that time are still unread.
    """

    def __init__(
        self,
        timeout_s: float,
        attention: Attention,
        *,
        first_s: float = FIRST_HEARTBEAT_S,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """Take the engine for silent after `timeout_s` without a heartbeat, at the start after `first_s`; 0 is never."""
        self._timeout_s = timeout_s
        self._limit_s = max(first_s, timeout_s)
        self._attention = attention
        self._clock = clock
        self._heard_s = clock()
        self._received = asyncio.Event()
        self.last = f"unknown.{time_ns()}"
        """The engine's name and the time of its last heartbeat; without one, that of its receipt or of the start here."""

    def on_heartbeat(self, sent: EngineHeartbeat | None = None) -> None:
        """Record a heartbeat; `sent` is None for one of version 1, which has no content."""
        self.last = f"unknown.{time_ns()}" if sent is None else f"{sent.engine}.{sent.time}"
        self._heard_s = self._clock()
        self._limit_s = self._timeout_s
        self._received.set()

    @property
    def is_silent(self) -> bool:
        """The engine sent no heartbeat for too long."""
        return self._timeout_s > 0 and self._remaining_s() <= 0

    async def wait_silent(self) -> None:
        """Wait until the engine is silent; for ever if the timeout is 0."""
        if not self._timeout_s:
            await asyncio.get_running_loop().create_future()  # never completes
        while not self.is_silent:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._remaining_s()):
                    await self.wait_heartbeat()

    async def wait_heartbeat(self) -> None:
        """Wait for the next heartbeat."""
        self._received.clear()
        await self._received.wait()

    async def wait_steady(self, seconds: float) -> None:
        """Wait until heartbeats have arrived for a time."""
        while True:
            await self.wait_heartbeat()
            await asyncio.sleep(seconds)
            if not self.is_silent:
                return

    def _remaining_s(self) -> float:
        return self._limit_s - self._attention.silence_s(self._heard_s)


class EngineWatchdog:
    """Cancels the opening orders of one symbol when its engine falls silent."""

    def __init__(
        self,
        venue: VenueId,
        symbol: Symbol,
        heartbeat: HeartbeatMonitor,
        cancel: Cancel,
        holdings: SymbolHoldings,
        bus: Bus,
        outbox: Outbox,
        log: Logger,
    ) -> None:
        self._venue = venue
        self._symbol = symbol
        self._heartbeat = heartbeat
        self._cancel = cancel
        self._holdings = holdings
        self._bus = bus
        self._outbox = outbox
        self._log = log

    async def run(self) -> None:
        """Cancel the opening orders when the engine falls silent, and publish an alert at the start and end; for ever."""
        while True:
            await self._heartbeat.wait_silent()
            reached("engine_silent_cancel")
            since = time_ns()
            incident = f"{ENGINE_SILENT}.{registry_key(self._venue, self._symbol)}.{self._heartbeat.last}"
            # The bus itself may be unavailable: cancels do not wait for the alert to be stored.
            async with asyncio.TaskGroup() as tasks:
                orders = tuple(self._holdings.working)
                self._log.error("engine_heartbeat_lost", symbol=self._symbol, canceled=len(orders))
                for client_order_id in orders:
                    tasks.create_task(self._cancel(client_order_id), name=f"withdraw:{client_order_id}")
                detail = f"no heartbeat: {len(orders)} opening orders are canceled, closing ones stay"
                silent = self._alert(ENGINE_SILENT, Severity.CRITICAL, detail, incident)
                tasks.create_task(self._store(silent), name="alert")
                await self._heartbeat.wait_heartbeat()
            self._log.info("engine_heartbeat_restored", symbol=self._symbol)
            silent_s = (time_ns() - since) / SECOND_NS
            detail = f"heartbeats resumed after {silent_s:.1f} s"
            heard = self._alert(ENGINE_HEARD, Severity.LOW, detail, incident)
            await self._store(msgspec.structs.replace(heard, ended=True))

    async def end_earlier_alerts(self) -> None:
        """End the alerts that heartbeats contradict, whoever raised them, each time its heartbeats resume; for ever.

        The process that raised one may have ended meanwhile, as when all parts are restarted.
        """
        subject = subjects.alert(self._venue, self._symbol)
        while True:
            await self._heartbeat.wait_steady(STEADY_S)
            try:
                found = await open_incidents(self._bus, subject, (ENGINE_HEARD, *CONTRADICTED))
            except NotPermitted as error:  # on a bus whose users are of an earlier version
                self._log.info("alerts_not_read", symbol=self._symbol, detail=error)
                await asyncio.get_running_loop().create_future()  # never completes
                return
            except BusError as error:
                self._log.info("alerts_not_read", symbol=self._symbol, detail=error)
                continue
            for alert in found.values():
                ended = self._alert(alert.code, Severity.LOW, "the symbol's engine runs", alert.incident)
                await self._store(msgspec.structs.replace(ended, ended=True))
            await self._heartbeat.wait_silent()

    async def run_dead_man_switch(self, switch: DeadManSwitch, after_s: float) -> None:
        """Defer the venue's cancel-all timer by `after_s` seconds as long as the engine sends heartbeats; for ever."""
        while True:
            if self._heartbeat.is_silent:
                reached("dead_man_not_deferred")
            else:
                await retry(lambda: switch.cancel_all_after(self._symbol, after_s), self._log)
            await asyncio.sleep(after_s / DEFERRALS_PER_TIMEOUT)

    def _alert(self, code: str, severity: Severity, detail: str, incident: str) -> AlertRaised:
        return AlertRaised(
            venue=self._venue,
            symbol=self._symbol,
            severity=severity,
            code=code,
            detail=detail,
            step=0,
            time=time_ns(),
            incident=incident,
        )

    async def _store(self, alert: AlertRaised) -> None:
        subject = subjects.alert(self._venue, self._symbol)
        await self._outbox.store(subject, alert, message_id=alert.message_id)
