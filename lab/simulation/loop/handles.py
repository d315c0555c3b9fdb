"""What the event loop keeps of a callback; leaner than asyncio's own, since it is made for every step of every task."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any


class ReadyHandle(asyncio.Handle):
    """A callback that runs as soon as its process does."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class KernelTimer:
    """A callback at a time, of no process; it cannot be canceled."""

    __slots__ = ("_args", "_callback", "_cancelled", "_scheduled")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        self._callback = callback
        self._args = args
        self._scheduled = True
        self._cancelled = False

    def cancelled(self) -> bool:
        return False

    def run(self) -> None:
        self._callback(*self._args)
