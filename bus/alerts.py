"""Alerts for operators: `alert.V.S`. Any part raises them."""

from bus.client.connection import Bus
from schemas import subjects
from schemas.codec import FormatTooNew
from schemas.engine.events import AlertRaised, Severity
from schemas.units import Symbol, TimeNs, VenueId

FORMAT_TOO_NEW = "format_too_new"


async def store_alert(bus: Bus, alert: AlertRaised) -> None:
    """Store an alert. The stream drops repetitions within two minutes; readers drop them by their incident.

    Raises: StreamGone, NoSpace, Rejected: not stored; Ambiguous: perhaps stored, and safe to retry.
    """
    await bus.store(subjects.alert(alert.venue, alert.symbol), alert, message_id=alert.message_id)


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
