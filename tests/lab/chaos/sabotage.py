"""Runs a part whose protocol is broken on purpose: `python sabotage.py HOW MODULE ARGUMENTS...`."""

import asyncio
import runpy
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import engine.app
import engine.core.orders.slots
import producers.app
from bus import Journal, NoLeases
from engine.actor.copies import copies
from schemas.engine.journal import Step
from schemas.venue.order_ids import order_id

HONEST_COMMIT = Journal.commit
LATE_S = 0.3


def unleased() -> None:
    """Let every process try to run everything."""

    @asynccontextmanager
    async def everything(bus: Any, group: str, name: str) -> AsyncIterator[NoLeases]:
        yield NoLeases(name)

    vars(engine.app)["leases"] = everything
    vars(producers.app)["leases"] = everything


def unfenced() -> None:
    """Commit whatever somebody else may have committed meanwhile, with nobody keeping them apart."""
    unleased()

    async def commit(self: Any, event: Any, timeout_s: float = 5.0) -> int:
        self.sequence = await self._bus.store(self._subject, event, timeout_s=timeout_s)
        return int(self.sequence)

    Journal.commit = commit  # type: ignore[method-assign]


def clock_in_ids() -> None:
    """Make client order ids of the time."""

    def named(*slot_and_cycle: Any) -> str:
        return order_id(*slot_and_cycle[:5], time.time_ns() // 1_000_000 % 36**6)  # type: ignore[call-arg]

    vars(engine.core.orders.slots)["order_id"] = named


def send_first() -> None:
    """Go on before the commit is through."""
    before: dict[Any, asyncio.Task[int]] = {}

    async def commit(self: Any, event: Any, timeout_s: float = 5.0) -> int:
        async def later(previous: asyncio.Task[int] | None) -> int:
            if previous is not None:
                await asyncio.wait([previous])
            await asyncio.sleep(LATE_S)
            return await HONEST_COMMIT(self, event, timeout_s)

        before[self] = asyncio.create_task(later(before.get(self)))
        return 0

    Journal.commit = commit  # type: ignore[method-assign]


def speak_first() -> None:
    """Publish what a step says, then commit it."""

    async def commit(self: Any, event: Any, timeout_s: float = 5.0) -> int:
        if isinstance(event, Step):
            for copy in copies(event):
                await self._bus.store(copy.subject, copy.event, message_id=copy.message_id)
        return await HONEST_COMMIT(self, event, timeout_s)

    Journal.commit = commit  # type: ignore[method-assign]


SABOTAGES: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (unleased, unfenced, clock_in_ids, send_first, speak_first)
}

if __name__ == "__main__":
    how, module, *arguments = sys.argv[1:]
    SABOTAGES[how]()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
