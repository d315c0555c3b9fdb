"""Supervise processes: restart those that exit, with growing delays, and stop all of them in stages."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bus import EXIT_PERMANENT, Backoff, BusError, get_logger
from cli.errors import CommandError
from cli.stack.process import ManagedProcess, exit_text

T = TypeVar("T")

_log = get_logger("up")
"""Its lines are at most of level info: what the supervisor prints need not be printed again from the log."""


@dataclass(frozen=True, slots=True)
class SupervisorTimings:
    """Delays and time limits in seconds."""

    first_delay_s: float = 0.2
    """Before the first restart; doubles with each further attempt, up to `max_delay_s`."""
    max_delay_s: float = 10.0
    healthy_after_s: float = 30.0
    """A process that ran at least this long is restarted after `first_delay_s` again."""
    stage_stop_s: float = 3.5
    """For the processes of one stage to exit before the next stage is stopped: an engine waits 3 s for its cancels."""
    stop_s: float = 10.0
    """For all processes to exit, from the first SIGTERM on, before the rest is killed."""


PERMANENT_CODES = (2, EXIT_PERMANENT)
"""Of a wrong option (argparse), and of an error that a restart cannot mend."""
DEFAULT_TIMINGS = SupervisorTimings()


@dataclass(slots=True)
class Supervised:
    """A process and its supervision state."""

    process: ManagedProcess
    may_finish: bool
    """Whether exit code 0 means that the process is done, and is not restarted."""
    restarts: int = 0
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    supervising: asyncio.Task[None] | None = None
    """Waits for exits and restarts the process."""
    starting: asyncio.Task[None] | None = None
    """The newest restart, which may be in progress."""


class Supervisor:
    """Keeps processes running; prints and logs their exits and restarts."""

    def __init__(
        self,
        report: Callable[[str], None],
        timings: SupervisorTimings = DEFAULT_TIMINGS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._print = report
        self._timings = timings
        self._clock = clock
        self._supervised: dict[str, Supervised] = {}
        self._failures: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def start(self, process: ManagedProcess, *, may_finish: bool = False) -> None:
        """Start a process and keep it running. With `may_finish`, exit code 0 ends its supervision.

        Raises: OSError, CommandError or BusError when the first start fails.
        """
        assert process.name not in self._supervised, f"{process.name} is already supervised"
        await process.start()
        _log.info("part_started", name=process.name)
        each = self._supervised[process.name] = Supervised(process, may_finish)
        each.supervising = asyncio.create_task(self._supervise(each), name=f"supervise:{process.name}")

    async def failed(self) -> tuple[str, int]:
        """Wait until a process has failed for good: its first run ended with one of `PERMANENT_CODES`; it is not restarted.

        Return its name and exit code. A process that ran before is restarted whatever its exit code: trading goes on.
        """
        return await self._failures.get()

    async def finished(self, name: str) -> None:
        """Wait until a process that may finish has finished."""
        await self._supervised[name].finished.wait()

    def restarts(self) -> dict[str, int]:
        """Return the number of restarts of each process that is supervised: none after `stop`."""
        return {name: each.restarts for name, each in self._supervised.items()}

    async def stop(self, stages: Iterable[Sequence[str]]) -> None:
        """Stop all processes, stage by stage; those that no stage names are stopped last.

        Restarts in progress get up to `stage_stop_s` to complete; processes that have not exited `stop_s` after that
        are killed.
        """
        rest, self._supervised = self._supervised, {}
        await _cancel([each.supervising for each in rest.values() if each.supervising is not None])
        await self._finish_starts([each.starting for each in rest.values() if each.starting is not None])
        groups = [[rest.pop(name).process for name in stage if name in rest] for stage in stages]
        groups.append([each.process for each in rest.values()])
        deadline = self._clock() + self._timings.stop_s
        exits: dict[asyncio.Task[int], ManagedProcess] = {}
        for group in groups:
            waits = {asyncio.create_task(process.wait()): process for process in group}
            exits |= waits
            for process in group:
                process.terminate()
            await _wait(waits, min(self._timings.stage_stop_s, deadline - self._clock()))
        await _wait(exits, deadline - self._clock())
        for exit_task, process in exits.items():
            if not exit_task.done():
                _log.info("part_killed", name=process.name, detail="it did not stop in time")
                self._print(f"{process.name} did not stop in time: killed")
                process.kill()
        await asyncio.gather(*exits)

    async def _finish_starts(self, starts: list[asyncio.Task[None]]) -> None:
        await _wait(starts, self._timings.stage_stop_s)
        await _cancel(starts)

    async def _supervise(self, each: Supervised) -> None:
        backoff = Backoff(self._timings.first_delay_s, self._timings.max_delay_s)
        while True:
            started_s = self._clock()
            code = await each.process.wait()
            if code == 0 and each.may_finish:
                _log.info("part_finished", name=each.process.name)
                each.finished.set()
                return
            if self._clock() - started_s >= self._timings.healthy_after_s:
                backoff.reset()
            elif code in PERMANENT_CODES and not each.restarts:
                _log.info("part_failed", name=each.process.name, exit=exit_text(code))
                self._failures.put_nowait((each.process.name, code))
                return
            name, delay_s = each.process.name, backoff.next_s
            _log.info("part_ended", name=name, exit=exit_text(code), restart_in_s=delay_s)
            self._print(f"{name} {exit_text(code)}; restarting in {delay_s:g} s")
            await self._restart(each, backoff)

    async def _restart(self, each: Supervised, backoff: Backoff) -> None:
        while True:
            await backoff.wait()
            # Shielded, so that canceling the supervision cannot lose track of a process that was just started.
            each.starting = asyncio.create_task(each.process.start(), name=f"start:{each.process.name}")
            try:
                await asyncio.shield(each.starting)
            except (OSError, CommandError, BusError) as error:
                name, delay_s = each.process.name, backoff.next_s
                _log.info("part_not_started", name=name, detail=str(error), retry_in_s=delay_s)
                self._print(f"{name} did not start: {error}; retrying in {delay_s:g} s")
            else:
                each.restarts += 1
                _log.info("part_restarted", name=each.process.name, restarts=each.restarts)
                return


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(tasks: Iterable[asyncio.Task[T]], timeout_s: float) -> None:
    waiting = [task for task in tasks if not task.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=max(timeout_s, 0.0))
