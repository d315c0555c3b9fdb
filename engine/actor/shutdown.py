"""Shutdown of an actor: the last engine of the group cancels the open orders before it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bus import BusError, Logger

SHUTDOWN_TIMEOUT_S = 3.0
"""How long a stopping engine waits for its orders to be canceled."""

IsLast = Callable[[], Awaitable[bool]]


async def never_last() -> bool:
    """Return False: another engine takes over."""
    return False


async def decide_until_stopped(
    deciding: Coroutine[Any, Any, None], stop: Callable[[], None], is_last: IsLast, log: Logger
) -> None:
    """Run `deciding`. On cancellation, if no other engine takes over, call `stop` and wait until it has ended.

    The wait lasts `SHUTDOWN_TIMEOUT_S` at most; then `deciding` is canceled. Raises: the errors of `deciding`.
    """
    task = asyncio.create_task(deciding, name="decide")
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        # `deciding` is shielded and continues meanwhile, so that a commit in progress normally completes. If one is
        # interrupted below, its outcome is unknown here, and the next engine reads it from the journal.
        if not task.done() and await is_last():
            stop()
            await asyncio.wait([task], timeout=SHUTDOWN_TIMEOUT_S)
            _log_outcome(task, log)
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])


def _log_outcome(task: "asyncio.Task[None]", log: Logger) -> None:
    if not task.done():
        log.warning("shutdown_cancel_timeout", detail=f"not canceled within {SHUTDOWN_TIMEOUT_S:g} s")
    elif not task.cancelled() and (error := task.exception()) is not None:
        if not isinstance(error, BusError):
            raise error
        log.warning("shutdown_cancel_failed", detail=str(error))
