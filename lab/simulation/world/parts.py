"""A part of the system as a process on a simulated host, which is started again when it ends or is killed."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from bus.log import get_logger
from lab.simulation.loop.hosts import Host

RESTART_S = 1.0
"""How long a part is down after it ended: a supervisor's delay, and the start of the process."""

_log = get_logger("world")


class SimulatedPart:
    """A process with the interface that faults need of a supervised one: `kill` and `send`."""

    def __init__(
        self,
        host: Host,
        main: Callable[[], Coroutine[Any, Any, object]],
        *,
        before_restart: Callable[[], None] = lambda: None,
        on_failure: Callable[[str, Exception], None] | None = None,
        restart_s: float = RESTART_S,
    ) -> None:
        """`on_failure` gets the name and the error when the process fails; by default the error is logged."""
        self.host = host
        self.restarts = 0
        self._main = main
        self._before_restart = before_restart
        self._on_failure = on_failure or _log_failure
        self._restart_s = restart_s
        self._running: asyncio.Task[None] | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._was_killed = asyncio.Event()

    @property
    def name(self) -> str:
        return self.host.name

    def start(self) -> None:
        """Start the process, and supervise it. Called from the host that runs the world."""
        self._supervision = asyncio.create_task(self._supervise(), name=f"supervise:{self.name}")

    def kill(self, *, is_power_lost: bool = False) -> None:
        """Let the process vanish, as SIGKILL does; it is started again after the restart delay."""
        self.host.crash(is_power_lost=is_power_lost)
        self._was_killed.set()

    def send(self, number: int) -> None:
        """Send a signal: SIGSTOP and SIGCONT pause and resume, SIGKILL kills, SIGTERM cancels the process's task."""
        match number:
            case signal.SIGSTOP:
                self.host.pause()
            case signal.SIGCONT:
                self.host.resume()
            case signal.SIGKILL:
                self.kill()
            case _:
                assert self._running is not None, "the part was started"
                self.host.call(self._running.cancel)

    async def stop(self) -> None:
        """End the process as SIGTERM does, for good."""
        assert self._supervision is not None, "the part was started"
        self._supervision.cancel()
        await asyncio.wait([self._supervision])
        if self._running is not None and self.host.process.is_alive:
            self.host.resume()
            self.host.call(self._running.cancel)
            await asyncio.wait([self._running])

    async def _supervise(self) -> None:
        while True:
            self._was_killed.clear()
            self._running = self.host.spawn(self._run(), name=self.name)
            killed = asyncio.ensure_future(self._was_killed.wait())
            await asyncio.wait([self._running, killed], return_when=asyncio.FIRST_COMPLETED)
            killed.cancel()
            if not self._was_killed.is_set():
                self.host.crash()
            await asyncio.sleep(self._restart_s)
            self._before_restart()
            self.restarts += 1

    async def _run(self) -> None:
        try:
            await self._main()
        except Exception as error:  # noqa: BLE001 - as the process would, it ends, and is started again
            self._on_failure(self.name, error)


def _log_failure(part: str, error: Exception) -> None:
    _log.error("part_failed", part=part, detail=repr(error), exception=error)
