"""Asking until there is an answer: a venue, and the bus for what it has stored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bus import Ambiguous, Bus, Logger, Received, Refused, StreamGone, provision
from producers.ports import VenueError

RETRY_S = 0.1
RETRY_MAX_S = 5.0
COMPLAIN_S = 0.8
"""A venue that is away for less is starting."""
UNAVAILABLE = 503
"""A stream without a leader has one again soon."""

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


async def last_stored(bus: Bus, stream: str, subject: str, log: Logger) -> Received | None:
    """Return the last message on a subject, None where there is none, asking again until the bus answers.

    Raises: Refused when asking again would not help.
    """
    delay = RETRY_S
    while True:
        try:
            return await bus.last(stream, subject)
        except StreamGone as error:
            log.warning("stream_gone", subject=subject, detail=str(error))
            await provision(bus)
        except Ambiguous as error:
            log.warning("bus_silent", subject=subject, detail=str(error))
            await bus.wait_connected()
        except Refused as error:
            if error.status != UNAVAILABLE:
                raise
            log.warning("bus_silent", subject=subject, detail=str(error))
        await asyncio.sleep(delay)
        delay = min(2 * delay, RETRY_MAX_S)
