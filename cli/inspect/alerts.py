"""The recent alerts on the bus: each incident once, without those that have ended."""

import time
from contextlib import aclosing

from bus import Bus, FromTime, StreamGone, read
from schemas.codec import try_decode
from schemas.engine.events import AlertRaised
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs

SUBJECTS = {Stream.ALERTS: "alert.>", Stream.ENGINE: "engine.*.*.alert"}
"""Version 1 published alerts on ENGINE."""
MAX_AGE_NS: DurationNs = 24 * 3600 * SECOND_NS
MAX_ALERTS = 10


async def recent_alerts(bus: Bus) -> list[AlertRaised]:
    """Return the newest alerts of the last day, oldest first, at most `MAX_ALERTS`."""
    found: dict[str, AlertRaised] = {}
    for stream, subject in SUBJECTS.items():
        for alert in await _stored(bus, stream, subject):
            incident = (
                alert.incident or f"{alert.venue} {alert.symbol} {alert.step} {alert.code} {alert.time}"
            )
            if alert.ended:
                found.pop(incident, None)
            else:
                found.setdefault(incident, alert)
    return sorted(found.values(), key=lambda alert: alert.time)[-MAX_ALERTS:]


async def _stored(bus: Bus, stream: Stream, subject: str) -> list[AlertRaised]:
    alerts: list[AlertRaised] = []
    try:
        async with aclosing(read(bus, stream, (subject,), FromTime(time.time_ns() - MAX_AGE_NS))) as batches:
            async for batch in batches:
                decoded = (try_decode(message.data, AlertRaised) for message in batch.messages)
                alerts += [alert for alert in decoded if alert is not None]
                if batch.caught_up:
                    break
    except StreamGone:
        pass  # the bus was last provisioned by an earlier version
    return alerts
