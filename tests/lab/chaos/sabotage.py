"""Run a process with a broken protocol: `python sabotage.py NAME MODULE ARGUMENTS...`."""

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
from engine.actor.publisher import derived_events
from schemas.engine.journal import Step
from schemas.venue.order_ids import order_id

ORIGINAL_COMMIT = Journal.commit
COMMIT_DELAY_S = 0.3


def without_leases() -> None:
    """Let every process run every key."""

    @asynccontextmanager
    async def no_leases(bus: Any, group: str, name: str) -> AsyncIterator[NoLeases]:
        yield NoLeases(name)

    vars(engine.app)["leases"] = no_leases
    vars(producers.app)["leases"] = no_leases


def without_fencing() -> None:
    """Commit without compare-and-set, and without leases."""
    without_leases()

    async def commit(self: Any, event: Any, timeout_s: float = 5.0) -> int:
        self.sequence = await self._bus.store(self._subject, event, timeout_s=timeout_s)
        return int(self.sequence)

    Journal.commit = commit  # type: ignore[method-assign]


def order_ids_from_clock() -> None:
    """Take the cycle number in client order ids from the clock."""

    def order_id_from_clock(*slot_and_cycle: Any) -> str:
        return order_id(*slot_and_cycle[:5], time.time_ns() // 1_000_000 % 36**6)  # type: ignore[call-arg]

    vars(engine.core.orders.slots)["order_id"] = order_id_from_clock


def send_before_commit() -> None:
    """Return from a commit at once, and store it later."""
    last_commits: dict[Any, asyncio.Task[int]] = {}

    async def commit(self: Any, event: Any, timeout_s: float = 5.0) -> int:
        async def commit_later(previous: asyncio.Task[int] | None) -> int:
            if previous is not None:
                await asyncio.wait([previous])
            await asyncio.sleep(COMMIT_DELAY_S)
            return await ORIGINAL_COMMIT(self, event, timeout_s)

        last_commits[self] = asyncio.create_task(commit_later(last_commits.get(self)))
        return 0

    Journal.commit = commit  # type: ignore[method-assign]


def publish_before_commit() -> None:
    """Publish the derived_events of a step, then commit it."""

    async def commit(self: Any, event: Any, timeout_s: float = 5.0) -> int:
        if isinstance(event, Step):
            for copy in derived_events(event):
                await self._bus.store(copy.subject, copy.event, message_id=copy.message_id)
        return await ORIGINAL_COMMIT(self, event, timeout_s)

    Journal.commit = commit  # type: ignore[method-assign]


SABOTAGES: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        without_leases,
        without_fencing,
        order_ids_from_clock,
        send_before_commit,
        publish_before_commit,
    )
}

if __name__ == "__main__":
    name, module, *arguments = sys.argv[1:]
    SABOTAGES[name]()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
