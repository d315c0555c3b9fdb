"""Recover the bus after a full disk: report it, wait for free space, terminate the server to be restarted.

After a failed write, a stream of nats-server rejects every message until the server is restarted, even when space is
free again. Until then no step is committed, so no order is placed.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from bus import EmbeddedServer
from cli.stack.log_watch import LogFollower

POLL_S = 0.5
WRITE_FAILURE = "failed to store a msg"
"""Part of the line that nats-server logs: `[ERR] JetStream failed to store a msg on stream ...: no space left`."""
MIN_FREE_BYTES = 16 * 1024 * 1024
"""Enough for the server to start and to run for a while."""


class DiskWatch:
    """Watches the log of the embedded server for failed writes."""

    def __init__(self, server: EmbeddedServer, report: Callable[[str], None]) -> None:
        self._server = server
        self._report = report
        self._log = LogFollower(server.name, server.log_file)

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
        self._report(f"the bus cannot write to {folder}: {reason}. No orders are placed until space is freed")
        while free_bytes(folder) < MIN_FREE_BYTES:  # noqa: ASYNC110 - free space can only be polled
            await asyncio.sleep(POLL_S)
        self._report("space is free again: restarting the bus")
        # The supervisor restarts it after it has exited.
        self._server.terminate()
        await self._server.wait()
        list(self._log.lines())  # discards the failures logged before the restart


def free_bytes(path: Path) -> int:
    """Return the free space of the file system of `path`."""
    return shutil.disk_usage(path).free
