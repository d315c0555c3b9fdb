"""What the gateway does on its own authority: without an engine, opening orders are canceled and none is sent."""

import asyncio
import time

from bus import Logger
from producers.gateway.executor import OrderExecutor
from producers.gateway.exposure import SymbolBook
from producers.gateway.heartbeat import Heartbeat
from producers.outbox import Outbox
from producers.ports import DeadManSwitch
from producers.retry import persist
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.units import Symbol, TimeNs, VenueId

ENGINE_SILENT = "engine_silent"
ENGINE_HEARD = "engine_heard"


class SilenceGuard:
    """Watches over one symbol's engine."""

    def __init__(
        self,
        venue: VenueId,
        symbol: Symbol,
        heartbeat: Heartbeat,
        desk: OrderExecutor,
        book: SymbolBook,
        outbox: Outbox,
        log: Logger,
    ) -> None:
        self._venue = venue
        self._symbol = symbol
        self._heartbeat = heartbeat
        self._desk = desk
        self._book = book
        self._outbox = outbox
        self._log = log

    async def run(self) -> None:
        """Step in at each silence, and tell when it is over; for ever."""
        while True:
            await self._heartbeat.until_silent()
            since = time.time_ns()
            # The bus may be what is silent: orders are taken back first, and it is told when it can be.
            async with asyncio.TaskGroup() as tasks:
                names = tuple(self._book.orders)
                self._log.error("engine_silent", symbol=self._symbol, canceled=len(names))
                for name in names:
                    tasks.create_task(self._desk.withdraw(name), name=f"withdraw:{name}")
                tasks.create_task(
                    self._say(
                        ENGINE_SILENT,
                        Severity.CRITICAL,
                        f"not heard: {len(names)} opening orders are canceled, closing ones stay",
                        since,
                    ),
                    name="say",
                )
                await self._heartbeat.until_heard()
            self._log.info("engine_heard", symbol=self._symbol)
            silent_s = (time.time_ns() - since) / 1e9
            await self._say(ENGINE_HEARD, Severity.LOW, f"heard again after {silent_s:.1f} s", since)

    async def keep_switch(self, switch: DeadManSwitch, after_s: float) -> None:
        """Have the venue cancel everything unless it is told otherwise, as long as the engine lives; for ever."""
        while True:
            if not self._heartbeat.is_silent:
                await persist(lambda: switch.cancel_all_after(self._symbol, after_s), self._log)
            await asyncio.sleep(after_s / 3)

    async def _say(self, code: str, severity: Severity, detail: str, since: TimeNs) -> None:
        subject = subjects.alert(self._venue, self._symbol)
        alert = AlertRaised(
            venue=self._venue,
            symbol=self._symbol,
            severity=severity,
            code=code,
            detail=detail,
            step=0,
            time=time.time_ns(),
        )
        await self._outbox.store(subject, alert, message_id=f"{subject}.{code}.{since}")
