"""What to do when the bus cannot write: say so, wait for space, and start the server again.

A stream of nats-server that once failed to write refuses every message until the server is started again, also when there
is space again. Until then nothing is committed, so nothing is opened.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from bus import EmbeddedServer
from cli.stack.log_watch import LogTail

LOOK_EVERY_S = 0.5
FAILED = "failed to store a msg"
ENOUGH_BYTES = 16 * 1024 * 1024
"""Free again: enough for the server to start and go on for a while."""


class StoreWatch:
    """Watches the log of the embedded server for writes that failed."""

    def __init__(self, server: EmbeddedServer, say: Callable[[str], None]) -> None:
        self._server = server
        self._say = say
        self._tail = LogTail(server.name, server.log_file)

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            failed = [line for line in self._tail.lines() if FAILED in line]
            if failed:
                await self._recover(failed[0])

    async def _recover(self, line: str) -> None:
        why = line.rpartition(": ")[2]
        self._say(
            f"bus cannot write to {self._server.data_dir}: {why}; nothing is opened until it can: free space"
        )
        while free_bytes(self._server.data_dir) < ENOUGH_BYTES:  # noqa: ASYNC110 - no event tells of free space
            await asyncio.sleep(LOOK_EVERY_S)
        self._say("bus has space again: starting it again")
        self._server.ask()
        await self._server.wait()
        list(self._tail.lines())


def free_bytes(path: Path) -> int:
    """Return how much can be written where `path` is."""
    return shutil.disk_usage(path).free
