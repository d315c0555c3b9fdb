"""Releases the leases of a process while its wall clock is wrong, and raises an alert."""

import asyncio
from collections.abc import Mapping
from typing import Never, Protocol

from msgspec.structs import replace

from bus.alerts import open_incidents, store_alert
from bus.backoff import Backoff
from bus.client.connection import Bus
from bus.coordination.clock_check import ClockCheck
from bus.errors import BusError, NotPermitted
from bus.log import Logger
from bus.marks import reached
from bus.runtime import time_ns
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import ALL, ALL_VENUES
from schemas.units import Symbol, TimeNs, VenueId

CODE = "clock_wrong"
RETRY_S, MAX_RETRY_S = 0.5, 10.0


class Withdrawable(Protocol):
    """Work that this process can leave to others."""

    def withdraw(self, reason: str) -> None:
        """Give everything up, and take nothing."""

    def rejoin(self) -> None:
        """Take part again."""


class ClockGuard:
    """Takes readings of another clock. While this process's own is apart from it, the process leaves its work to others."""

    def __init__(
        self,
        bus: Bus,
        log: Logger,
        name: str,
        work: Withdrawable,
        check: ClockCheck,
        venue: VenueId = ALL_VENUES,
    ) -> None:
        """`name` is that of the process, in its alerts, which are about a venue or all of them."""
        self._bus = bus
        self._log = log
        self._name = name
        self._work = work
        self._check = check
        self._venue = venue
        self._own: dict[str, AlertRaised] = {}
        """The alerts of this process that have not ended, by their incident."""
        self._changed = asyncio.Event()
        self._changed.set()  # an earlier process may have left an alert

    def on_reading(self, sent: TimeNs, other: TimeNs, answered: TimeNs) -> None:
        """Take a reading, as `ClockCheck.on_reading`."""
        if not self._check.on_reading(sent, other, answered):
            return
        if self._check.problem:
            reached("clock_wrong")
            self._log.error(CODE, detail=self._check.problem, do="set the clock of this host")
            self._work.withdraw(self._check.problem)
        else:
            self._log.info("clock_right", whose=self._check.whose)
            self._work.rejoin()
        self._changed.set()

    def status(self) -> Mapping[str, object]:
        """Return the problem, if there is one, for `Service.report`."""
        return {"problem": self._check.problem} if self._check.problem else {}

    async def run(self) -> Never:
        """Store an alert when the clock is found to be wrong, and end it when it is right; for ever."""
        backoff = Backoff(RETRY_S, MAX_RETRY_S)
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._store()
            except BusError as error:
                self._log.info("alert_not_published", detail=error)
                self._changed.set()
                await self._bus.wait_connected()
                await backoff.wait()
            else:
                backoff.reset()

    async def _store(self) -> None:
        if not self._own:
            self._own = await self._earlier()
        if self._check.problem:
            if not self._own:
                alert = self._alert(self._check.problem)
                self._own[alert.incident] = alert
            for each in self._own.values():  # also those perhaps stored already: a repetition is dropped
                await store_alert(self._bus, each)
        else:
            for incident, alert in list(self._own.items()):
                detail = f"{self._name}: the clock of its host is right again"
                await store_alert(self._bus, replace(alert, ended=True, detail=detail, time=time_ns()))
                del self._own[incident]

    async def _earlier(self) -> dict[str, AlertRaised]:
        """Return the alerts that an earlier process of this name left, where this one may read them."""
        try:
            found = await open_incidents(self._bus, subjects.alert(self._venue, Symbol(ALL)), (CODE,))
        except NotPermitted:
            return {}
        return {name: each for name, each in found.items() if name.startswith(f"{CODE}.{self._name}.")}

    def _alert(self, problem: str) -> AlertRaised:
        now = time_ns()
        return AlertRaised(
            venue=self._venue,
            symbol=Symbol(ALL),
            severity=Severity.HIGH,
            code=CODE,
            detail=f"{self._name}: {problem}; it left its work to others",
            step=0,
            time=now,
            incident=f"{CODE}.{self._name}.{now}",
        )
