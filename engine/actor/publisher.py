"""Saying what was committed: copies for everyone, each surely; the grid for viewers, only the newest."""

import asyncio
from collections import deque
from contextlib import aclosing

from bus import Bus, BusError, Conflict, FromSequence, Logger, Received, read
from engine.actor.copies import copies
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Step
from schemas.grid.view import GridView
from schemas.subjects import Stream

UNHEARD_LIMIT = 500
"""Steps whose copies may be under way; then the actor waits."""


GRID_EVERY_S = 0.02
"""No more grids than eyes can tell apart."""


class Publisher:
    """Publishes for one symbol, behind the journal and never before it."""

    def __init__(self, bus: Bus, step_subject: str, grid_subject: str, log: Logger, through: int) -> None:
        self._bus = bus
        self._step_subject = step_subject
        self._grid_subject = grid_subject
        self._log = log
        self._through = through
        self._unheard: deque[tuple[int, list[asyncio.Future[int]]]] = deque()
        self._grid: tuple[GridView, int] | None = None
        self._grid_wanted = asyncio.Event()

    @property
    def published_through(self) -> int:
        """The JOURNAL sequence of the last step whose copies are known to be out.

        Raises: BusError when copies failed: the actor ends, and says them again at its next start.
        """
        while self._unheard and all(future.done() for future in self._unheard[0][1]):
            sequence, futures = self._unheard.popleft()
            for future in futures:
                future.result()
            self._through = sequence
        return self._through

    async def say(self, step: Step, sequence: int) -> None:
        """Publish the copies of a step that was committed as `sequence`."""
        futures = []
        for copy in copies(step):
            future = await self._bus.send(copy.subject, copy.event, message_id=copy.message_id)
            future.add_done_callback(_retrieve)
            futures.append(future)
        self._unheard.append((sequence, futures))
        if len(self._unheard) > UNHEARD_LIMIT:
            await self._bus.flush_window()

    async def say_again(self, last_sequence: int) -> None:
        """Publish the copies of every step after `published_through` up to `last_sequence`."""
        if last_sequence <= self._through:
            return
        steps = read(self._bus, Stream.JOURNAL, (self._step_subject,), FromSequence(self._through + 1))
        async with aclosing(steps) as batches:
            async for batch in batches:
                for message in batch.messages:
                    if message.sequence <= last_sequence:
                        await self._say_stored(message)
                if batch.caught_up or (batch.messages and batch.messages[-1].sequence >= last_sequence):
                    break
        await self._bus.flush_window()

    async def _say_stored(self, message: Received) -> None:
        try:
            step = decode_as(message.data, Step)
        except UndecodableError as error:
            self._log.error("undecodable", subject=message.subject, sequence=message.sequence, detail=error)
        else:
            await self.say(step, message.sequence)

    def show(self, view: GridView, sequence: int) -> None:
        """Publish a grid soon, unless a newer one replaces it first."""
        self._grid = (view, sequence)
        self._grid_wanted.set()

    async def show_grids(self) -> None:
        """Publish the newest grid whenever there is one, for ever."""
        while True:
            await self._grid_wanted.wait()
            await self._show_newest()
            await asyncio.sleep(GRID_EVERY_S)

    async def flush(self) -> None:
        """Return when all copies have their answer and the newest grid is out."""
        await self._bus.flush_window()
        if self._grid_wanted.is_set():
            await self._show_newest()

    async def _show_newest(self) -> None:
        self._grid_wanted.clear()
        assert self._grid is not None
        view, sequence = self._grid
        try:
            await self._bus.store(
                self._grid_subject, view, expect_last=sequence, expect_subject=self._step_subject
            )
        except Conflict:
            pass  # a newer step is in the journal; its grid follows, from whoever wrote it
        except BusError as error:
            self._log.warning("grid_not_published", detail=str(error))


def _retrieve(future: "asyncio.Future[int]") -> None:
    # A speaker that ended asks for no result; asyncio complains of each failure that nobody looked at.
    if not future.cancelled():
        future.exception()
