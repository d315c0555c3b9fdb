"""Requests to the venue and to the bus, retried until they succeed."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from bus import (
    Ambiguous,
    Backoff,
    Bus,
    Logger,
    NoSpace,
    OffsetLost,
    Received,
    Rejected,
    StreamGone,
    provision,
)
from bus.marks import reached
from producers.ports import VenueError

RETRY_S = 0.1
MAX_RETRY_S = 5.0
LOG_AFTER_S = 0.8
"""Failures are logged once the delay before the retry is this long, in seconds: before that the venue may be starting."""
STORE_RETRY_S = 0.05
STATUS_UNAVAILABLE = 503
"""JetStream's status for a stream without a leader, which is elected soon."""

T = TypeVar("T")


async def retry(request: Callable[[], Awaitable[T]], log: Logger) -> T:
    """Return the venue's response, retrying after every VenueError, also after a rejection."""
    backoff = Backoff(RETRY_S, MAX_RETRY_S)
    while True:
        try:
            return await request()
        except VenueError as error:
            if backoff.next_s >= LOG_AFTER_S:
                log.warning("venue_no_response", detail=str(error))
            await backoff.wait()


async def last_stored(bus: Bus, stream: str, subject: str, log: Logger) -> Received | None:
    """Return the last message on a subject, None without one, retrying until the bus responds.

    Raises: Rejected when a retry would not help.
    """
    return await retry_bus(partial(bus.last, stream, subject), bus, log, subject)


async def retry_bus(request: Callable[[], Awaitable[T]], bus: Bus, log: Logger, subject: str) -> T:
    """Return the result of reading from the bus, retrying until it responds; `subject` is for the log.

    Raises: Rejected when a retry would not help.
    """
    backoff = Backoff(RETRY_S, MAX_RETRY_S)
    while True:
        try:
            return await request()
        except StreamGone as error:
            log.warning("stream_gone", subject=subject, detail=str(error))
            await provision(bus)
        except (Ambiguous, OffsetLost) as error:
            log.warning("bus_no_response", subject=subject, detail=str(error))
            await bus.wait_connected()
        except Rejected as error:
            if error.status != STATUS_UNAVAILABLE:
                raise
            log.warning("bus_no_response", subject=subject, detail=str(error))
        await backoff.wait()


class Outbox:
    """Stores each event at least once. The stream drops repetitions with the same message id for two minutes.

    Events are stored in order if each call of `store` is awaited before the next.
    """

    def __init__(self, bus: Bus, log: Logger) -> None:
        self._bus = bus
        self._log = log
        self._is_full = False

    async def store(self, subject: str, event: msgspec.Struct, message_id: str | None = None) -> int:
        """Store an event, retrying until the bus has it, and return its stream sequence.

        Without a message id a lost acknowledgement may store it twice: only for events of which the newest counts.
        Raises: Rejected when a retry would not help.
        """
        backoff = Backoff(STORE_RETRY_S, MAX_RETRY_S)
        while True:
            try:
                sequence = await self._bus.store(subject, event, message_id=message_id)
            except Ambiguous:
                reached("store_ambiguous")
                await self._bus.wait_connected()
            except StreamGone:
                reached("stream_gone")
                self._log.warning("stream_gone", subject=subject)
                await provision(self._bus)
                # In a cluster the stream may exist and be without a leader for a moment.
                await backoff.wait()
            except NoSpace as error:
                self._log_full(error)
                await backoff.wait()
            else:
                self._is_full = False
                return sequence

    def _log_full(self, error: NoSpace) -> None:
        reached("no_space")
        if not self._is_full:
            self._log.error("bus_full", detail=str(error), do="free disk space; storing resumes by itself")
        self._is_full = True
