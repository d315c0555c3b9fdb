"""A process from start to end: uvloop, signals, exit codes, and errors as one line."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
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
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(stopping.watch(main))
    except asyncio.CancelledError:
        if stopping.signal is None:
            raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit) or is_debugging():
            raise
        for line in _lines(error):
            sys.stderr.write(f"error: {line}\n")
        return 1
    return 0


async def forever(name: str, pump: Coroutine[Any, Any, object]) -> Never:
    """Await a pump that must never end.

    Raises: AssertionError when it returns, and whatever it raises.
    """
    await pump
    raise AssertionError(f"{name} ended, and it never should")


class _Stopping:
    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    async def watch(self, main: Callable[[], Coroutine[Any, Any, object]]) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop, number, task)
        try:
            await main()
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _stop(self, number: signal.Signals, task: "asyncio.Task[object]") -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        task.cancel()


def _lines(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines(one)
    elif isinstance(error, EXPECTED):
        yield str(error)
    else:
        yield f"{type(error).__name__}: {error} (--debug shows where)"
