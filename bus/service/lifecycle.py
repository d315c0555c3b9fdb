"""A process from start to end: uvloop, signals, exit codes, and errors as one line."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Never

import uvloop

from bus.errors import BusError
from bus.log import capture_library_logs, is_debugging

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXPECTED = (BusError, OSError, ValueError)
"""Errors whose text says it all."""


def run(main: Callable[[], Coroutine[Any, Any, object]], *, debug: bool = False) -> int:
    """Run a part until it ends or is told to, and return the exit code: 0 for a signal, 1 for an error.

    The first SIGINT or SIGTERM cancels `main`, the second ends the process at once.
    """
    if debug:
        os.environ["OPENSQT_DEBUG"] = "1"
    capture_library_logs()
    stopping = _Stopping()
    before = {number: signal.signal(number, stopping.on_signal) for number in SIGNALS}
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(stopping.watch(main))
    except asyncio.CancelledError:
        if stopping.signal is None:
            raise
    except Exception as error:
        if is_debugging():
            raise
        for line in _lines(error):
            sys.stderr.write(f"error: {line}\n")
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


async def forever(name: str, pump: Coroutine[Any, Any, object]) -> Never:
    """Await a pump that must never end.

    Raises: AssertionError when it returns, and whatever it raises.
    """
    await pump
    raise AssertionError(f"{name} ended, and it never should")


def flatten_errors(error: Exception) -> list[Exception]:
    """Return what went wrong, out of the groups that tasks put it into."""
    if isinstance(error, ExceptionGroup):
        return [leaf for one in error.exceptions for leaf in flatten_errors(one)]
    return [error]


class _Stopping:
    """Not the loop's own handlers: these work from the first moment to the last, also while the loop is closed."""

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


def _lines(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines(one)
    elif isinstance(error, EXPECTED):
        yield str(error)
    else:
        yield f"{type(error).__name__}: {error} (--debug shows where)"
