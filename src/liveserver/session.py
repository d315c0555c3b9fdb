"""A viewer whose frames wait in a bounded backlog until its transport takes them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from liveserver.hub import CloseCode

BACKLOG = 1000
"""So many frames may wait beside the ones that were taken at once (a snapshot is taken whole)."""


class Closing(NamedTuple):
    """Why the connection is to be closed."""

    code: CloseCode
    reason: str


class Session:
    """Implements `Viewer`; the transport pumps `take` until it returns None, then closes with `closing`."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self._limit = backlog
        self._backlog: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._too_slow = asyncio.Event()
        self.closing: Closing | None = None

    def send(self, frames: Sequence[bytes]) -> bool:
        if self.closing is not None:
            return False
        if self._backlog and len(self._backlog) + len(frames) > self._limit:
            self._backlog.clear()
            self.close(CloseCode.TOO_SLOW, "too slow: more messages waited than may; connect again")
            self._too_slow.set()
            return False
        self._backlog.extend(frames)
        self._changed.set()
        return True

    def close(self, code: CloseCode, reason: str) -> None:
        if self.closing is None:
            self.closing = Closing(code, reason)
            self._changed.set()

    async def take(self) -> list[bytes] | None:
        """Return what waits, as soon as something does; None when the connection is to be closed."""
        while not self._backlog:
            if self.closing is not None:
                return None
            self._changed.clear()
            await self._changed.wait()
        frames = list(self._backlog)
        self._backlog.clear()
        return frames

    async def overrun(self) -> None:
        """Return when the viewer was found too slow: whoever is still writing to it should stop."""
        await self._too_slow.wait()
