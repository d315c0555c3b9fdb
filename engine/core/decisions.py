"""Decisions with the code, the words and the figures of their reason."""

from decimal import Decimal

from schemas.units import MILLISECOND_NS, SECOND_NS, ClientOrderId, DurationNs, Figures
from schemas.venue.decision_reasons import DecisionReason, words
from schemas.venue.orders import CancelOrder, QueryOrder


def figures(**values: Decimal | int | str | None) -> Figures:
    """Return figures by name, decimals written out: `figures(drawdown=D("41.20"))` is `{"drawdown": "41.20"}`.

    A value of None is left out.
    """
    return {name: _text(value) for name, value in values.items() if value is not None}


def seconds(duration: DurationNs) -> Decimal:
    """Return a duration in seconds, for a figure whose name ends in `_s`."""
    return (Decimal(duration) / SECOND_NS).normalize()


def seconds_text(duration: DurationNs) -> str:
    """Return a duration for operators, in seconds with one digit, or two below a second: `5.0 s`, `0.25 s`."""
    digits = 1 if duration >= SECOND_NS else 2
    return f"{Decimal(duration) / SECOND_NS:.{digits}f} s"


def milliseconds(duration: DurationNs) -> Decimal:
    """Return a duration in milliseconds, for a figure whose name ends in `_ms`."""
    return (Decimal(duration) / MILLISECOND_NS).normalize()


def cancel(
    client_order_id: ClientOrderId, reason: DecisionReason, because: Figures | None = None
) -> CancelOrder:
    """Return the decision to cancel an order."""
    return CancelOrder(
        client_order_id=client_order_id, reason=words(reason), reason_code=reason, figures=because or {}
    )


def query(
    client_order_id: ClientOrderId, reason: DecisionReason, because: Figures | None = None
) -> QueryOrder:
    """Return the decision to query an order."""
    return QueryOrder(
        client_order_id=client_order_id, reason=words(reason), reason_code=reason, figures=because or {}
    )


def _text(value: Decimal | int | str) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
