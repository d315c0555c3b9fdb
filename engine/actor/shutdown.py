"""The end of an actor: what is under way is finished, and orders that nobody else would look after are canceled."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bus import BusError, Logger

EXIT_WITHIN_S = 3.0
"""How long an engine that ends waits for its orders to be canceled."""

IsLast = Callable[[], Awaitable[bool]]


async def somebody_else() -> bool:
    """Tell that another engine goes on."""
    return False


async def decide_to_the_end(
    deciding: Coroutine[Any, Any, None], stop: Callable[[], None], is_last: IsLast, log: Logger
) -> None:
    """Let an actor decide until it fails; cancelled as the last one, tell it to stop and wait until it has.

    Raises: whatever deciding raises.
    """
    task = asyncio.create_task(deciding, name="decide")
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        # Never in the middle of a commit: nobody would know whether it happened.
        if not task.done() and await is_last():
            stop()
            await asyncio.wait([task], timeout=EXIT_WITHIN_S)
            _tell(task, log)
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])


def _tell(task: "asyncio.Task[None]", log: Logger) -> None:
    if not task.done():
        log.warning("orders_left", detail=f"not canceled within {EXIT_WITHIN_S:g} s")
    elif not task.cancelled() and (error := task.exception()) is not None:
        if not isinstance(error, BusError):
            raise error
        log.warning("orders_left", detail=str(error))
