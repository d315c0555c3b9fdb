"""Asking a venue until it answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bus import Logger
from producers.ports import VenueError

RETRY_S = 0.1
RETRY_MAX_S = 5.0
COMPLAIN_S = 0.8
"""A venue that is away for less is starting."""

T = TypeVar("T")


async def persist(request: Callable[[], Awaitable[T]], log: Logger) -> T:
    """Return the venue's answer, asking again until there is one."""
    delay = RETRY_S
    while True:
        try:
            return await request()
        except VenueError as error:
            if delay >= COMPLAIN_S:
                log.warning("venue_silent", detail=str(error))
            await asyncio.sleep(delay)
            delay = min(2 * delay, RETRY_MAX_S)
