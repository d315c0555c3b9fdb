"""One line of text for each notice of engines and parts: guards, alerts, findings, corrections, heartbeats."""

from typing import assert_never

from cli.inspect.market_lines import because
from schemas.engine.events import (
    AlertRaised,
    EngineHeartbeat,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.parts import PartHeartbeat
from schemas.reasons.table import Kind, explain


def notice_text(
    event: RiskChanged | Reconciled | PositionCorrected | AlertRaised | EngineHeartbeat | PartHeartbeat,
) -> str:
    """Return a notice in one line; what is wrong, with what to do."""
    match event:
        case RiskChanged():
            change = "started" if event.active else "ended"
            text = event.details if not event.active else _explained(Kind.GUARD, event.reason, event)
            return f"{event.severity} {event.reason} {change}{because(text)}"
        case Reconciled():
            order = f" {event.client_order_id}" if event.client_order_id else ""
            return f"{event.finding}{order}: {explain(event.finding).sentence} {event.action}"
        case PositionCorrected():
            return _correction(event)
        case AlertRaised():
            return _alert(event)
        case EngineHeartbeat():
            return f"{event.engine} is alive"
        case PartHeartbeat():
            return f"{event.name} {'stops' if event.is_stopping else 'is alive'}{because('; '.join(event.problems))}"
        case _:
            assert_never(event)


def _alert(event: AlertRaised) -> str:
    if event.ended:
        return f"{event.severity} {event.code} ended{because(event.detail)}"
    return f"{event.severity} {event.code}{because(_explained(Kind.ALERT, event.code, event))}"


def _explained(kind: Kind, code: str, event: RiskChanged | AlertRaised) -> str:
    detail = event.details if isinstance(event, RiskChanged) else event.detail
    return " ".join(explain(code, detail, kind=kind, venue=event.venue, symbol=event.symbol)).rstrip()


def _correction(event: PositionCorrected) -> str:
    trades = f", trades {' '.join(event.trade_ids)}" if event.trade_ids else ""
    by = f" by {event.operator}" if event.operator else ""
    return (
        f"position corrected{by}: {event.quantity:+} at {event.price:f}{trades}, profit {event.grid_profit:+.4f}, "
        f"position {event.position}{because(event.reason)}"
    )


def quoting_text(event: QuotingChanged) -> str:
    """Return a change of the reason: `not quoting: The circuit breaker is open: 3 losses. (was: quoting)`."""
    before = "quoting" if event.previous is None else event.previous.value.replace("_", " ")
    if event.reason is None:
        return f"quoting (was: {before})"
    return f"not quoting: {explain(event.reason, event.detail).sentence} (was: {before})"
