"""Print severe alerts of the parts, and their ends, on the console."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from bus import Bus, BusError, NewOnly, get_logger, read
from schemas.codec import try_decode
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import Stream

SEVERE = frozenset({Severity.HIGH, Severity.CRITICAL})
RETRY_S = 1.0

_log = get_logger("up")


class AlertWatch:
    """Prints each severe incident once, and its end; the others are in `opensqt status` and on the page."""

    def __init__(self, bus: Bus, report: Callable[[str], None]) -> None:
        self._bus = bus
        self._report = report
        self._incidents: set[str] = set()
        """Those that have been printed and have not ended."""

    async def run(self) -> None:
        """Watch until canceled."""
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
