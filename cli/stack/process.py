"""A part as a process of its own: started, waited for, stopped, and never outliving its parent."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

LARGEST_LOG = 20_000_000
_PR_SET_PDEATHSIG = 1


class Running(Protocol):
    """Something that the supervisor keeps alive."""

    @property
    def name(self) -> str: ...

    async def start(self) -> None:
        """Start it.

        Raises: OSError, CommandError or BusError when that cannot be.
        """
        ...

    async def wait(self) -> int:
        """Return the exit code once it ended; the negative signal number when a signal ended it."""
        ...

    def ask(self) -> None:
        """Ask it to stop."""
        ...

    def kill(self) -> None: ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal, when it runs."""
        ...


class PartProcess:
    """A program whose standard error, which is its log, is appended to a file.

    The program writes to the file itself: it never waits for us, whatever our terminal does.
    """

    def __init__(
        self, name: str, command: tuple[str, ...], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self.command = command
        self._log = log
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def pid(self) -> int | None:
        """The process that runs now, None when none does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        descriptor = os.open(_rotated(self._log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            # A session of its own: Ctrl-C reaches us alone, and we stop the parts in order.
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=descriptor,
                env={**os.environ, **self._environment},
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        finally:
            os.close(descriptor)

    async def wait(self) -> int:
        assert self._process is not None, "waited for before it was started"
        return await self._process.wait()

    def ask(self) -> None:
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, when it runs."""
        if self._process is not None and self.pid is not None:
            self._process.send_signal(number)


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of a module of this installation."""
    return (sys.executable, "-m", module, *arguments)


def ending(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def die_with_parent() -> Callable[[], None] | None:
    """Return what a new process does first so that it ends with us; None where the system cannot do that."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _rotated(log: Path) -> Path:
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    return log
