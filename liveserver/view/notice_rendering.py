"""Render notices as messages: pure functions, each returning the `data` of one message."""

from liveserver.protocol.server_messages import (
    ActiveRisk,
    ControlData,
    CorrectionData,
    QuotingData,
    ReconciliationData,
    RiskAlertData,
    RiskStatusData,
)
from liveserver.view.rendering import MarketLabel, decimal_text, to_seconds
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, PositionCorrected, QuotingChanged, Reconciled, RiskChanged
from schemas.reasons.explanation import Explanation
from schemas.reasons.table import Kind, explain
from schemas.units import MILLISECOND_NS


def alert(label: MarketLabel, event: RiskChanged | AlertRaised) -> RiskAlertData:
    details: dict[str, str] = {}
    if isinstance(event, RiskChanged):
        reason, message, active, incident = event.reason, event.details, event.active, ""
        details = event.figures
    else:
        reason, message, active = event.code, event.detail, not event.ended
        incident = event.incident
    found = _explained(event)
    return RiskAlertData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        severity=event.severity,
        reason=reason,
        message=message,
        details=details,
        active=active,
        time=to_seconds(event.time),
        step=event.step,
        incident=incident,
        text=found.sentence,
        remedy=found.remedy if active else "",
    )


def _explained(event: RiskChanged | AlertRaised) -> Explanation:
    kind, code = (Kind.GUARD, event.reason) if isinstance(event, RiskChanged) else (Kind.ALERT, event.code)
    return explain(code, kind=kind, venue=event.venue, symbol=event.symbol)


def risk_status(label: MarketLabel, active: list[RiskChanged]) -> RiskStatusData:
    return RiskStatusData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        status="active" if active else "normal",
        active=tuple(
            ActiveRisk(
                severity=risk.severity,
                reason=risk.reason,
                message=risk.details,
                details=risk.figures,
                time=to_seconds(risk.time),
                text=_explained(risk).sentence,
                remedy=_explained(risk).remedy,
            )
            for risk in active
        ),
    )


def quoting(label: MarketLabel, event: QuotingChanged) -> QuotingData:
    return QuotingData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        previous=event.previous,
        reason=event.reason,
        text="" if event.reason is None else explain(event.reason).sentence,
        detail=event.detail,
        time=to_seconds(event.time),
        step=event.step,
    )


def reconciliation(label: MarketLabel, event: Reconciled) -> ReconciliationData:
    return ReconciliationData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        finding=event.finding,
        order_id=event.client_order_id,
        action=event.action,
        text=explain(event.finding).sentence,
        remedy=explain(event.finding, venue=event.venue, symbol=event.symbol).remedy,
        time=to_seconds(event.time),
        step=event.step,
    )


def correction(label: MarketLabel, event: PositionCorrected) -> CorrectionData:
    return CorrectionData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        amount=decimal_text(event.quantity),
        price=decimal_text(event.price),
        fee=decimal_text(event.fee),
        grid_profit=decimal_text(event.grid_profit),
        position=decimal_text(event.position),
        reason=event.reason,
        operator=event.operator,
        trade_ids=event.trade_ids,
        time=to_seconds(event.time),
        time_ms=event.time // MILLISECOND_NS,
        step=event.step,
    )


def control(label: MarketLabel, event: CommandResult) -> ControlData:
    return ControlData(
        symbol=label.symbol,
        venue=label.venue,
        market=label.market,
        command=event.name,
        command_id=event.command_id,
        outcome=event.outcome,
        detail=event.detail,
        operator=event.operator,
        reason=event.reason,
        time=to_seconds(event.time),
        step=event.step,
    )
