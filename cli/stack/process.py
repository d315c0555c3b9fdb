"""One part of the stack as a child process: start, wait, signal. On Linux it is killed if its parent dies."""

import asyncio
import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from bus.log import FILE_VARIABLE, MAX_FILE_BYTES
from bus.peer import USERS_VARIABLE
from bus.private_files import open_private, private_umask

MAX_ERROR_BYTES = 10_000
"""How much of the end of a log is searched for the last error."""
_ERROR_LINE = re.compile(
    r"^(?:[\w. ]+: )?error: (.+)$|^\{.*\"event\": \"failed\", \"detail\": (\".*\")\}$", re.MULTILINE
)
"""`error: port 8080 is in use`, or argparse's `engine: error: unrecognized arguments: --x`."""
OWN_PREFIX = "OPENSQT_"
PASSED_ON = frozenset(
    {
        "OPENSQT_DEBUG",
        "OPENSQT_LOG",
        "OPENSQT_LOG_LEVEL",
        "OPENSQT_LOG_FORMAT",
        "OPENSQT_ROOT",
        USERS_VARIABLE,
    }
)
"""Variables of `up` that its parts get as well."""
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal to receive when the parent dies."""


class ManagedProcess(Protocol):
    """A process that the supervisor keeps running."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> None:
        """Start the process.

        Raises: OSError, CommandError or BusError when it cannot be started.
        """
        ...

    async def wait(self) -> int:
        """Wait for the exit; return the exit code, or the negative signal number."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process is running."""
        ...


class PartProcess:
    """A program whose standard error is appended to its log file; its standard output is discarded.

    The program writes to the file directly, so it never blocks on our terminal.
    """

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        log: Path,
        environment: Mapping[str, str] | None = None,
        withheld: Collection[str] = (),
    ) -> None:
        """`environment` is added to that of this process, without the variables that are `withheld`."""
        self._name = name
        self.command = command
        self._log = log
        self._environment = environment or {}
        self._withheld = frozenset(withheld)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def pid(self) -> int | None:
        """The id of the running process, None if it is not running."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        descriptor = open_private(_rotated(self._log), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            # In its own session, so that Ctrl-C reaches only us and we stop the parts in order.
            with private_umask():
                self._process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=descriptor,
                    env=self._full_environment(),
                    start_new_session=True,
                    preexec_fn=die_with_parent(),
                )
        finally:
            os.close(descriptor)

    def _full_environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in part_environment().items() if name not in self._withheld}
        return {**inherited, FILE_VARIABLE: str(self._log), **self._environment}

    async def wait(self) -> int:
        assert self._process is not None, "wait() before start()"
        return await self._process.wait()

    def terminate(self) -> None:
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def last_error(self) -> str:
        """Return the last error that the program printed, for people; else where its log is."""
        try:
            tail = self._log.read_bytes()[-MAX_ERROR_BYTES:].decode("utf-8", "replace")
        except OSError:
            tail = ""
        errors = _ERROR_LINE.findall(tail)
        if not errors:
            return f"see {self._log}"
        text, json_text = errors[-1]
        return str(text or msgspec.json.decode(json_text))

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process is running."""
        if self._process is not None and self.pid is not None:
            self._process.send_signal(number)


def part_environment() -> dict[str, str]:
    """Return the environment of a part of `up`: without the options and settings of `up` itself.

    `OPENSQT_HTTP_PORT` is the port of the page, and must not become that of the engine.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or not name.startswith(OWN_PREFIX)
    }


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module with this Python."""
    return (sys.executable, "-m", module, *arguments)


def exit_text(code: int) -> str:
    """Return how a process ended: `exited with code 3` or `was terminated by SIGKILL`."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was terminated by {signal.Signals(-code).name}"
    except ValueError:
        return f"was terminated by signal {-code}"


def die_with_parent() -> Callable[[], None] | None:
    """Return a `preexec_fn` by which the child is killed when its parent dies; None on systems other than Linux."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None, use_errno=True)

    def preexec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl took effect
            os._exit(1)

    return preexec


def _rotated(log: Path) -> Path:
    # While it runs, the program rotates the file itself.
    if log.exists() and log.stat().st_size > MAX_FILE_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log
