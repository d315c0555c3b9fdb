"""Reads the clock of the venue at an interval, for the check of this process's own."""

import asyncio
from typing import Never

from bus.coordination.clock_check import Limits
from bus.coordination.clock_guard import ClockGuard
from bus.runtime import background_s, time_ns
from producers.ports import Clock, VenueError
from schemas.units import SECOND_NS, DurationNs

READ_INTERVAL_S = 2.0
MAX_AHEAD_NS: DurationNs = SECOND_NS
"""Venues reject requests of a clock that is further ahead."""
READER_LIMITS = Limits(5 * SECOND_NS, 5 * SECOND_NS)
"""For processes that send no orders."""


def sender_limits(receive_window: DurationNs) -> Limits:
    """Return the limits for a process that sends orders: half of the receive window stays for their way to the venue."""
    return Limits(MAX_AHEAD_NS, receive_window // 2)


async def read_clock(venue: Clock, guard: ClockGuard) -> None:
    """Take one reading. A venue that does not answer is none; that of a recording is of another time."""
    sent = time_ns()
    try:
        read = await venue.clock()
    except VenueError:
        return
    if not read.recording:
        guard.on_reading(sent, read.time, read.received_time)


async def watch_clock(venue: Clock, guard: ClockGuard) -> Never:
    """Take a reading at an interval, for ever."""
    while True:
        await read_clock(venue, guard)
        await asyncio.sleep(background_s(READ_INTERVAL_S))
