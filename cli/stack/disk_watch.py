"""Watch the store of the embedded bus: warn when it is almost full, and recover the bus after a full disk.

After a failed write, a stream of nats-server rejects every message until the server is restarted, even when space is
free again. Until then no step is committed, so no order is placed. So `DiskWatch` waits for free space and terminates the
server, which the supervisor starts again.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from bus import Bus, BusError, EmbeddedServer
from bus.alerts import open_incidents, store_alert
from cli.stack.log_watch import LogFollower
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import ALL, ALL_VENUES
from schemas.units import Symbol

POLL_S = 0.5
STORE_POLL_S = 30.0
FULL_SHARE, EMPTIER_SHARE = 0.9, 0.85
"""Shares of the store's limit at which a warning begins, and at which it ends."""
STORE_ALMOST_FULL = "bus_store_almost_full"
SUBJECT = subjects.alert(ALL_VENUES, Symbol(ALL))
WRITE_FAILURE = "failed to store a msg"
"""Part of the line that nats-server logs: `[ERR] JetStream failed to store a msg on stream ...: no space left`."""
GIBIBYTE = 1024**3
MIN_FREE_BYTES = 16 * 1024 * 1024
"""Enough for the server to start and to run for a while."""


class DiskWatch:
    """Watches the log of the embedded server for failed writes."""

    def __init__(self, server: EmbeddedServer, report: Callable[[str], None]) -> None:
        self._server = server
        self._report = report
        self._log = LogFollower(server.name, server.log_file)
        self.problem = ""
        """Why the bus cannot write; empty if it can."""

    async def run(self) -> None:
        """Watch until canceled."""
        while True:
            await asyncio.sleep(POLL_S)
            failures = [line for line in self._log.lines() if WRITE_FAILURE in line]
            if failures:
                await self._recover(failures[0])

    async def _recover(self, line: str) -> None:
        reason = line.rpartition(": ")[2]
        folder = self._server.data_dir
        self.problem = (
            f"the bus cannot write to {folder}: {reason}. No orders are placed until space is freed"
        )
        self._report(self.problem)
        while free_bytes(folder) < MIN_FREE_BYTES:  # noqa: ASYNC110 - free space can only be polled
            await asyncio.sleep(POLL_S)
        self._report("space is free again: restarting the bus")
        # The supervisor restarts it after it has exited.
        self._server.terminate()
        await self._server.wait()
        list(self._log.lines())  # discards the failures logged before the restart
        self.problem = ""


class _AccountInfo(msgspec.Struct, frozen=True):
    storage: int = 0
    """Bytes that the file streams use."""


class StoreWatch:
    """Warns, by an alert and on the console, when the file streams use almost all of the store's limit, in bytes."""

    def __init__(self, bus: Bus, limit: int, report: Callable[[str], None]) -> None:
        self._bus = bus
        self._limit = limit
        self._report = report
        self._alert: AlertRaised | None = None
        self._is_stored = False
        self._earlier: dict[str, AlertRaised] | None = None
        """Alerts of earlier runs that have not ended; None before they were read."""

    @property
    def problem(self) -> str:
        """The warning; empty while there is space."""
        return "" if self._alert is None else self._alert.detail

    async def run(self) -> None:
        """Watch until canceled."""
        while True:
            # That the bus does not answer is noticed elsewhere; an alert that was not stored is stored at the next check.
            with suppress(BusError):
                await self.check()
            await asyncio.sleep(STORE_POLL_S)

    async def check(self) -> None:
        """Compare what is used with the limit. Raises: BusError."""
        used = (await self._bus.api("INFO", None, _AccountInfo)).storage
        if self._earlier is None:
            self._earlier = await open_incidents(self._bus, SUBJECT, (STORE_ALMOST_FULL,))
        for incident, earlier in self._earlier.copy().items():  # this run raises its own
            await self._end(earlier, "the stack was restarted")
            del self._earlier[incident]
        if self._alert is None and used >= FULL_SHARE * self._limit:
            self._alert, self._is_stored = _alert(used, self._limit), False
            self._report(self._alert.detail)
        if self._alert is not None and not self._is_stored:
            await store_alert(self._bus, self._alert)
            self._is_stored = True
        if self._alert is not None and used < EMPTIER_SHARE * self._limit:
            await self._end(self._alert, "there is space again")
            self._alert = None
            self._report("the store of the bus has space again")

    async def _end(self, alert: AlertRaised, detail: str) -> None:
        ended = msgspec.structs.replace(
            alert, ended=True, severity=Severity.LOW, time=time.time_ns(), detail=detail
        )
        await store_alert(self._bus, ended)


def _alert(used: int, limit: int) -> AlertRaised:
    now = time.time_ns()
    return AlertRaised(
        venue=ALL_VENUES,
        symbol=Symbol(ALL),
        severity=Severity.HIGH,
        code=STORE_ALMOST_FULL,
        detail=(
            f"The bus stores {used / GIBIBYTE:.1f} GiB of at most {limit / GIBIBYTE:.1f} GiB: when it is full, nothing is "
            "decided any more. Raise bus.store in the configuration and restart."
        ),
        step=0,
        time=now,
        incident=f"{STORE_ALMOST_FULL}.{now}",
    )


def free_bytes(path: Path) -> int:
    """Return the free space of the file system of `path`."""
    return shutil.disk_usage(path).free
