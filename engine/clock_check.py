"""Drop inputs whose time is ahead of our clock: the core's waits end by the market's time, which never goes back.

A venue's time may be ahead by `MAX_AHEAD_NS`. Of each kind of input, the first one that is dropped is logged and raises an
alert. Own trades and order reports are never dropped: they are applied at the time at which they were received.
"""

import asyncio
from typing import Never

from bus import Bus, Logger
from bus.alerts import store_alert
from bus.runtime import time_ns
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import AheadOfClock, Input, SymbolEntry
from schemas.subjects import registry_key
from schemas.units import SECOND_NS, TimeNs
from schemas.venue.account import OpenOrders
from schemas.venue.market import MAX_AHEAD_NS, Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade

Timed = Ticker | FeedChanged | Candle | OpenOrders | OrderReport | Trade


class ClockCheck:
    """Compares the times of one symbol's inputs with the clock."""

    def __init__(self, bus: Bus, entry: SymbolEntry, log: Logger, *, is_on: bool) -> None:
        """Compare only if `is_on`: the times of a recording, or of lock-step, are not those of the clock."""
        self._bus = bus
        self._entry = entry
        self._log = log
        self._is_on = is_on
        self._told: set[str] = set()
        self._alerts: asyncio.Queue[AlertRaised] = asyncio.Queue()

    def accepts(self, event: Timed) -> bool:
        """Return whether an input's time may be right."""
        now = time_ns()
        ahead = _time_of(event) - now
        if not self._is_on or ahead <= MAX_AHEAD_NS:
            return True
        kind = type(event).__name__
        if kind not in self._told:
            self._told.add(kind)
            self._tell(kind, ahead / SECOND_NS, now)
        return False

    def timed(self, event: Input) -> Input:
        """Return an order event as it is applied: at the present time if its own cannot be right."""
        if not isinstance(event, OrderReport | Trade) or self.accepts(event):
            return event
        return AheadOfClock(event=event, received_time=time_ns())

    async def run(self) -> Never:
        """Store the alerts; for ever."""
        while True:
            await store_alert(self._bus, await self._alerts.get())

    def _tell(self, kind: str, ahead_s: float, now: TimeNs) -> None:
        entry = self._entry
        verb = "applied at the present time" if kind in {"OrderReport", "Trade"} else "dropped"
        detail = f"{kind} {verb}: its time is {ahead_s:.1f} s ahead of this machine's clock"
        self._log.error("time_ahead", kind=kind, ahead_s=round(ahead_s, 1))
        self._alerts.put_nowait(
            AlertRaised(
                venue=entry.venue,
                symbol=entry.symbol,
                severity=Severity.HIGH,
                code="time_ahead",
                detail=detail,
                step=0,
                time=now,
                incident=f"time_ahead.{registry_key(entry.venue, entry.symbol)}.{kind}.{now}",
            )
        )


def _time_of(event: Timed) -> TimeNs:
    match event:
        case Ticker() | FeedChanged() | OrderReport() | Trade():
            return event.time
        case Candle():
            return event.open_time
        case OpenOrders():
            return max(event.time, event.complete_through)
