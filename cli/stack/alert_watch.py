"""Watch the parts, and print severe alerts and their ends on the console."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing

from bus import Bus, BusError, Heartbeats, NewOnly, Watchdog, get_logger, read
from schemas.codec import try_decode
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import Stream

SEVERE = frozenset({Severity.HIGH, Severity.CRITICAL})
RETRY_S = 1.0

_log = get_logger("up")


class AlertWatch:
    """Prints each severe incident once, and its end; the others are in `opensqt status` and on the page.

    It also watches the heartbeats of the parts and raises alerts about them, as live servers do. That the bus does not
    answer is printed only: no alert can be stored.
    """

    def __init__(
        self, bus: Bus, report: Callable[[str], None], problems: Callable[[], Iterable[str]] = lambda: ()
    ) -> None:
        """`problems` of the supervisor itself are in its heartbeats, so that status, page and /health name them."""
        self._bus = bus
        self._report = report
        self._incidents: set[str] = set()
        """Those that have been printed and have not ended."""
        self._heartbeats = Heartbeats(bus, "up", "up", problems=problems)
        self._watchdog = Watchdog(self._heartbeats, _log, alerts=True)
        self._is_bus_silent = False

    async def run(self) -> None:
        """Watch until canceled."""
        remove = self._watchdog.on_change(self._report_bus)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._heartbeats.run(), name="heartbeats")
                tasks.create_task(self._watchdog.run(), name="watchdog")
                tasks.create_task(self._read_alerts(), name="alerts")
        finally:
            remove()
            await self._heartbeats.stop()

    def _report_bus(self) -> None:
        silent = self._watchdog.view().blocked_all
        if silent is not None and not self._is_bus_silent:
            _log.info("bus_silent", detail=silent.detail, do=silent.remedy)
            self._report(f"{silent.detail} {silent.remedy}")
        elif silent is None and self._is_bus_silent:
            _log.info("bus_answers")
            self._report("the bus answers again")
        self._is_bus_silent = silent is not None

    async def _read_alerts(self) -> None:
        while True:
            try:
                async with aclosing(read(self._bus, Stream.ALERTS, ("alert.>",), NewOnly())) as batches:
                    async for batch in batches:
                        for message in batch.messages:
                            alert = try_decode(message.data, AlertRaised)
                            if alert is not None:
                                self.apply(alert)
            except BusError as error:
                _log.warning("alerts_not_read", detail=str(error))
                await asyncio.sleep(RETRY_S)

    def apply(self, alert: AlertRaised) -> None:
        """Print an alert, unless it is a repetition or not severe."""
        text = f"{alert.venue} {alert.symbol}: {alert.code.replace('_', ' ')}: {alert.detail}"
        if alert.ended and alert.incident in self._incidents:
            self._incidents.discard(alert.incident)
            self._report(f"alert ended: {text}")
        elif alert.severity in SEVERE and not alert.ended and alert.incident not in self._incidents:
            if alert.incident:
                self._incidents.add(alert.incident)
            self._report(f"alert {alert.severity}: {text}")
