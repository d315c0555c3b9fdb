"""Puts back entries of the bucket `symbols` that vanished or were set back because the bucket was lost or restored.

A deleted entry is a removal and stays deleted.
"""

import asyncio
from collections.abc import Mapping
from typing import Never

from bus import Bus, BusError, Conflict, Logger, Registry, keep_entries
from bus.alerts import store_alert
from bus.runtime import time_ns
from engine.symbol_runner import SymbolRunner
from schemas.engine.assignment import Assignment
from schemas.engine.events import AlertRaised, Severity
from schemas.engine.journal import SymbolEntry

BUCKET = "symbols"
CODE = "symbol_entry_lost"
STANDBY_INTERVAL_S = 10.0
"""Interval of the check for symbols that run elsewhere or nowhere; the engine that runs one puts it back sooner."""


class RosterKeeper:
    """Keeps the entries of the symbols that this process knows."""

    def __init__(self, bus: Bus, symbols: Mapping[str, SymbolRunner], log: Logger) -> None:
        """`symbols` is by key of the bucket, and is updated as symbols are added and removed."""
        self._bus = bus
        self._symbols = symbols
        self._log = log

    async def run(self) -> Never:
        """Put back vanished entries, for ever: at once those of the symbols that run here, later all others."""
        async with asyncio.TaskGroup() as tasks:
            here = keep_entries(self._bus, BUCKET, self._running, self._log, on_restored=self._alert_vanished)
            tasks.create_task(here, name="keep:running")
            others = keep_entries(
                self._bus,
                BUCKET,
                self._all,
                self._log,
                on_restored=self._alert_vanished,
                interval_s=STANDBY_INTERVAL_S,
            )
            tasks.create_task(others, name="keep:all")
        raise AssertionError("its tasks run for ever")

    async def is_outdated(self, key: str, entry: SymbolEntry) -> bool:
        """Return whether an entry read from the bucket is of an earlier generation than the known one.

        The bucket was set back, and the known entry is put back.
        """
        known = self._symbols.get(key)
        if known is None or entry.generation >= known.entry.generation:
            return False
        registry = Registry(self._bus, BUCKET)
        try:
            stored = await registry.get(key)
            if stored is not None:
                await registry.update(key, known.registered(), stored.revision)
        except Conflict:
            return True  # the next entry is yielded as well
        except BusError as error:
            self._log.warning("bucket_entry_not_restored", key=key, detail=str(error))
            return True
        self._log.error("bucket_entry_restored", bucket=BUCKET, key=key, detail="it had been set back")
        await self._alert(key, "the entry in the bucket `symbols` was set back to an earlier generation")
        return True

    def _running(self) -> Mapping[str, SymbolEntry]:
        return {
            key: symbol.registered()
            for key, symbol in self._symbols.items()
            if symbol.assignment is not Assignment.WAITING
        }

    def _all(self) -> Mapping[str, SymbolEntry]:
        return {key: symbol.registered() for key, symbol in self._symbols.items()}

    async def _alert_vanished(self, key: str) -> None:
        await self._alert(key, "the entry in the bucket `symbols` vanished")

    async def _alert(self, key: str, what: str) -> None:
        symbol = self._symbols.get(key)
        if symbol is None:
            return
        entry, now = symbol.entry, time_ns()
        alert = AlertRaised(
            venue=entry.venue,
            symbol=entry.symbol,
            severity=Severity.HIGH,
            code=CODE,
            detail=f"{what}; it was put back and the symbol continues. Find out who purged, deleted or restored it",
            step=0,
            time=now,
            incident=f"{CODE}.{key}.{now}",
        )
        try:
            await store_alert(self._bus, alert)
        except BusError as error:
            self._log.warning("alert_not_published", detail=str(error))
