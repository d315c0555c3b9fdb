"""Keeps parts running: starts again what died, with growing patience, and stops all of them in order."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bus import BusError
from cli.errors import CommandError
from cli.stack.process import Running, ending

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds."""

    first: float = 0.2
    """Before the first restart; doubled by each next one."""
    longest: float = 10.0
    healthy: float = 30.0
    """Whatever ran that long starts again with `first`."""
    stage: float = 3.5
    """For the parts of one stage to stop before the next stage is asked: an engine that ends waits 3 s for its cancels."""
    stop: float = 6.0
    """For everything to stop before it is killed."""


PATIENCE = Patience()


@dataclass(slots=True)
class Kept:
    """A part, and what became of it."""

    part: Running
    may_finish: bool
    restarts: int = 0
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    keeping: asyncio.Task[None] | None = None
    starting: asyncio.Task[None] | None = None


class Supervisor:
    """Runs parts and says what happens to them. Not in a hurry: parts tolerate each other's absence."""

    def __init__(
        self,
        say: Callable[[str], None],
        patience: Patience = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._patience = patience
        self._clock = clock
        self._kept: dict[str, Kept] = {}

    async def start(self, part: Running, *, may_finish: bool = False) -> None:
        """Start a part and keep it running. One that `may_finish` is done when it ends with exit code 0.

        Raises: OSError, CommandError or BusError when it cannot be started at all.
        """
        assert part.name not in self._kept, f"{part.name} is kept already"
        await part.start()
        kept = self._kept[part.name] = Kept(part, may_finish)
        kept.keeping = asyncio.create_task(self._keep(kept), name=f"keep:{part.name}")

    async def finished(self, name: str) -> None:
        """Return when a part has finished."""
        await self._kept[name].finished.wait()

    def restarts(self) -> dict[str, int]:
        """Return how often each part was started again."""
        return {name: kept.restarts for name, kept in self._kept.items()}

    async def stop(self, stages: Iterable[Sequence[str]]) -> None:
        """Stop the parts, one stage after the other; who is not named goes last. Everything ends in time."""
        kept, self._kept = self._kept, {}
        await _cancel([one.keeping for one in kept.values() if one.keeping is not None])
        await self._settle([one.starting for one in kept.values() if one.starting is not None])
        named = [[kept.pop(name).part for name in stage if name in kept] for stage in stages]
        named.append([one.part for one in kept.values()])
        deadline = self._clock() + self._patience.stop
        ends: dict[asyncio.Task[int], Running] = {}
        for stage in named:
            waits = {asyncio.create_task(part.wait()): part for part in stage}
            ends |= waits
            for part in stage:
                part.ask()
            await _wait(waits, min(self._patience.stage, deadline - self._clock()))
        await _wait(ends, deadline - self._clock())
        for end, part in ends.items():
            if not end.done():
                self._say(f"{part.name} does not stop: killed")
                part.kill()
        await asyncio.gather(*ends)

    async def _settle(self, starts: list[asyncio.Task[None]]) -> None:
        await _wait(starts, self._patience.stage)
        await _cancel(starts)

    async def _keep(self, kept: Kept) -> None:
        delay = self._patience.first
        while True:
            started = self._clock()
            code = await kept.part.wait()
            if code == 0 and kept.may_finish:
                kept.finished.set()
                return
            if self._clock() - started >= self._patience.healthy:
                delay = self._patience.first
            self._say(f"{kept.part.name} {ending(code)}: starting it again in {delay:g} s")
            delay = await self._restart(kept, delay)

    async def _restart(self, kept: Kept, delay: float) -> float:
        while True:
            await asyncio.sleep(delay)
            delay = min(2 * delay, self._patience.longest)
            # A start is never cut short: what it started would be nobody's.
            kept.starting = asyncio.create_task(kept.part.start(), name=f"start:{kept.part.name}")
            try:
                await asyncio.shield(kept.starting)
            except (OSError, CommandError, BusError) as error:
                self._say(f"{kept.part.name} could not be started: {error}; again in {delay:g} s")
            else:
                kept.restarts += 1
                return delay


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(tasks: Iterable[asyncio.Task[T]], timeout_s: float) -> None:
    waiting = [task for task in tasks if not task.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=max(timeout_s, 0.0))
