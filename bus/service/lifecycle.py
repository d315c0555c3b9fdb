"""The life of a process: uvloop, signals, exit codes, one line per error."""

import asyncio
import errno
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Never

import uvloop

from bus.errors import BusError, Permanent
from bus.log import capture_library_logs, is_debugging, write_error

EXIT_PERMANENT = os.EX_CONFIG
"""Exit code after an error that a restart cannot mend."""
PERMANENT_ERRNOS = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}
"""Of addresses to listen on and of files."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXPECTED_ERRORS = (BusError, OSError, ValueError)
"""Errors whose message is sufficient for the user."""


def run(main: Callable[[], Coroutine[Any, Any, object]], *, debug: bool = False) -> int:
    """Run a service until it ends or receives a signal; return the exit code: 0, or 1 after an error.

    It is `EXIT_PERMANENT` after an error that a restart cannot mend, such as a port that is in use.
    The first SIGINT or SIGTERM cancels `main`, the second exits at once.
    """
    if debug:
        os.environ["OPENSQT_DEBUG"] = "1"
    capture_library_logs()
    shutdown = _Shutdown()
    before = {number: signal.signal(number, shutdown.on_signal) for number in SIGNALS}
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(shutdown.watch(main))
    except asyncio.CancelledError:
        if shutdown.signal is None:
            raise
    except Exception as error:
        if is_debugging():
            raise
        for line in _lines(error):
            write_error(line)
        return EXIT_PERMANENT if any(map(_is_permanent, flatten_errors(error))) else 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


async def forever(name: str, coroutine: Coroutine[Any, Any, object]) -> Never:
    """Await a coroutine that must never return.

    Raises: AssertionError when it returns, and the errors of the coroutine.
    """
    await coroutine
    raise AssertionError(f"{name} ended, but must run for ever")


def flatten_errors(error: Exception) -> list[Exception]:
    """Return the errors in an exception group, recursively; a single error as a list."""
    if isinstance(error, ExceptionGroup):
        return [leaf for one in error.exceptions for leaf in flatten_errors(one)]
    return [error]


class _Shutdown:
    """Signal handlers that also work before the event loop starts and after it closes, unlike the loop's own."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._task: asyncio.Task[Any] | None = None

    async def watch(self, main: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._task = asyncio.current_task()
        if self.signal is not None:
            raise asyncio.CancelledError
        await main()

    def on_signal(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        if self._task is not None and not self._task.done():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def _is_permanent(error: Exception) -> bool:
    return isinstance(error, Permanent) or (isinstance(error, OSError) and error.errno in PERMANENT_ERRNOS)


def _lines(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines(one)
    elif isinstance(error, EXPECTED_ERRORS):
        yield str(error)
    else:
        yield f"{type(error).__name__}: {error} (--debug shows the traceback)"
