"""Raise an alert for each part that is silent or missing, and each venue that does not answer; end it afterwards.

All watchers raise the same incident, so that readers see it once:

    part_silent.gateway.gateway.1700000000000000000     KIND.NAME.TIME of the last heartbeat
    part_missing.engine.engine.1700000000000000000
    venue_unreachable.venue.sim.1700000000000000000
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Never

from msgspec.structs import replace

from bus.alerts import open_incidents, store_alert
from bus.client.connection import Bus
from bus.errors import BusError, ConnectionClosed
from bus.log import Logger
from bus.parts import texts
from bus.parts.view import PartState, PartsView, PartView
from bus.runtime import monotonic_s, time_ns
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import ALL, ALL_VENUES
from schemas.units import Symbol

CODES = {
    PartState.SILENT: "part_silent",
    PartState.MISSING: "part_missing",
    PartState.UNREACHABLE: "venue_unreachable",
}
MISSING_FOR_S = 50.0
"""A part has to be missing for this time before an alert is raised: on a busy machine a stack takes a while to start."""
RETRY_S = 1.0


class PartAlerts:
    """Keeps the alerts on the bus equal to the state of the parts. Nothing piles up while the bus does not answer."""

    def __init__(self, bus: Bus, log: Logger, clock: Callable[[], float] = monotonic_s) -> None:
        self._bus = bus
        self._log = log
        self._clock = clock
        self._missing_since_s: dict[str, float] = {}
        self._wanted: dict[str, AlertRaised] = {}
        self._raised: dict[str, AlertRaised] = {}
        """Those that are on the bus, or may be."""
        self._unconfirmed: set[str] = set()
        """Those that may be on the bus, and have to be stored again."""
        self._view = PartsView()
        self._may_end = False
        self._changed = asyncio.Event()

    def update(self, view: PartsView, *, may_end: bool) -> None:
        """Raise alerts for what is wrong; with `may_end`, end those of what is well again.

        While the bus does not answer, the state of the parts is unknown, and the alerts stay as they are.
        """
        if view.blocked_all is None:
            self._view, self._may_end = view, may_end
            self._wanted = {part.incident: _alert(part) for part in self._due(view.parts)}
            if self._wanted.keys() != self._raised.keys():
                self._changed.set()

    def _due(self, parts: Iterable[PartView]) -> Iterator[PartView]:
        now_s, since_s = self._clock(), self._missing_since_s
        self._missing_since_s = {}
        for part in parts:
            if part.state is PartState.MISSING:
                first_s = self._missing_since_s[part.incident] = since_s.get(part.incident, now_s)
                if now_s - first_s >= MISSING_FOR_S or part.incident in self._raised:
                    yield part
            elif part.is_wrong and part.state in CODES:
                yield part

    async def run(self) -> Never:
        """Publish the alerts, for ever."""
        await self._retry_until_read()
        is_failing = False
        while True:
            self._changed.clear()
            try:
                await self._publish()
            except ConnectionClosed:
                raise
            except BusError as error:
                if not is_failing:
                    self._log.warning("alert_not_published", detail=str(error))
                is_failing = True
                await asyncio.sleep(RETRY_S)
            else:
                is_failing = False
                await self._changed.wait()

    async def _publish(self) -> None:
        for incident, alert in self._wanted.copy().items():
            if incident not in self._raised:
                self._log.info(alert.code, detail=alert.detail)
                self._unconfirmed.add(incident)
            if incident in self._unconfirmed:
                self._raised[incident] = alert
                await store_alert(self._bus, alert)
                self._unconfirmed.discard(incident)
        for incident, alert in self._raised.copy().items():
            if self._may_end and incident not in self._wanted:
                detail = _end_text(incident, self._view.parts)
                await store_alert(self._bus, replace(alert, ended=True, detail=detail, time=time_ns()))
                self._log.info(f"{alert.code}_ended", detail=detail)
                self._raised.pop(incident, None)
                self._unconfirmed.discard(incident)

    async def _retry_until_read(self) -> None:
        while True:
            try:
                self._raised |= await open_incidents(self._bus, f"alert.*.{ALL}", CODES.values())
            except ConnectionClosed:
                raise
            except BusError as error:
                self._log.warning("alerts_not_read", detail=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return


def _alert(part: PartView) -> AlertRaised:
    return AlertRaised(
        venue=part.venues[0] if len(part.venues) == 1 else ALL_VENUES,
        symbol=Symbol(ALL),
        severity=_severity(part),
        code=CODES[part.state],
        detail=f"{part.detail} {part.remedy}".strip(),
        step=0,
        time=time_ns(),
        incident=part.incident,
    )


def _severity(part: PartView) -> Severity:
    if part.is_replaced:
        return Severity.MEDIUM
    is_trading = part.kind in texts.NEEDED or part.state is PartState.UNREACHABLE
    return Severity.CRITICAL if is_trading else Severity.HIGH


def _end_text(incident: str, parts: Iterable[PartView]) -> str:
    code, kind, name, _ = incident.split(".", 3)
    now = next((part for part in parts if (part.kind, part.name) == (kind, name)), None)
    if code == CODES[PartState.UNREACHABLE]:
        return f"The venue {name} answers again."
    if now is None:
        return f"The {texts.title(kind, name)} is not needed any more."
    return f"The {texts.title(kind, name)} sends heartbeats."
