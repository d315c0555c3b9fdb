"""Alerts for operators: `alert.V.S`. Any part raises them."""

from collections.abc import Container
from contextlib import aclosing

from bus.client.connection import Bus
from bus.runtime import time_ns
from bus.streams.reader import read
from bus.streams.start import FromTime
from schemas import subjects
from schemas.codec import FormatTooNew, try_decode
from schemas.engine.events import AlertRaised, Severity
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs, Symbol, TimeNs, VenueId

FORMAT_TOO_NEW = "format_too_new"
MAX_AGE_NS: DurationNs = 24 * 3600 * SECOND_NS
"""Incidents of earlier processes are ended up to this age."""


async def store_alert(bus: Bus, alert: AlertRaised, *, expect_last: int | None = None) -> None:
    """Store an alert. The stream drops repetitions within two minutes; readers drop them by their incident.

    `expect_last` is the required sequence of the last alert on the subject; 0 requires that there is none.
    Raises: Conflict, StreamGone, NoSpace, Rejected: not stored; Ambiguous: perhaps stored, and safe to retry.
    """
    subject = subjects.alert(alert.venue, alert.symbol)
    await bus.store(subject, alert, message_id=alert.message_id, expect_last=expect_last)


async def open_incidents(bus: Bus, subject: str, codes: Container[str]) -> dict[str, AlertRaised]:
    """Return the alerts on a subject that earlier processes raised and did not end, by their incident.

    Those of the last day; the codes are what the caller raises itself.
    Raises: StreamGone, OffsetLost, Rejected, Ambiguous.
    """
    found: dict[str, AlertRaised] = {}
    start = FromTime(time_ns() - MAX_AGE_NS)
    async with aclosing(read(bus, Stream.ALERTS, (subject,), start)) as batches:
        async for batch in batches:
            for message in batch.messages:
                alert = try_decode(message.data, AlertRaised)
                if alert is None or alert.code not in codes:
                    continue
                if alert.ended:
                    found.pop(alert.incident, None)
                else:
                    found.setdefault(alert.incident, alert)
            if batch.caught_up:
                break
    return found


def too_new_alert(venue: VenueId, symbol: Symbol, reason: FormatTooNew, now: TimeNs) -> AlertRaised:
    """Return the alert that a symbol needs a newer program; engine and gateway raise the same incident."""
    key = subjects.registry_key(venue, symbol)
    return AlertRaised(
        venue=venue,
        symbol=symbol,
        severity=Severity.CRITICAL,
        code=FORMAT_TOO_NEW,
        detail=str(reason),
        step=reason.step,
        time=now,
        incident=f"{FORMAT_TOO_NEW}.{key}.{reason.step}.{reason.epoch}",
    )
