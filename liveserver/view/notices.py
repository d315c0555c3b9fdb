"""The notices of one market: alerts, reasons for not quoting, reconciliations, corrections and command results."""

from collections import deque
from collections.abc import Callable
from typing import assert_never

from liveserver.protocol.server_messages import (
    ControlData,
    CorrectionData,
    Data,
    Message,
    MessageType,
    QuotingData,
    ReconciliationData,
    RiskAlertData,
)
from liveserver.view import notice_rendering as rendering
from liveserver.view.own_trades import DedupWindow, Key
from liveserver.view.rendering import LazyMessage, MarketLabel
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, PositionCorrected, QuotingChanged, Reconciled, RiskChanged

MAX_NOTICES = 50
"""Notices kept of each kind: alerts, reconciliations, corrections, command results."""
MAX_QUOTING_CHANGES = 500
"""Changes of the reason for not quoting that are kept; the newest `MAX_NOTICES` are part of a snapshot."""
MAX_INCIDENTS = 500
"""Incidents remembered, so that one that several parts raise is shown once."""

NoticeEvent = RiskChanged | AlertRaised | QuotingChanged | Reconciled | PositionCorrected | CommandResult
"""The events that are notices."""

Notice = RiskAlertData | QuotingData | ReconciliationData | CorrectionData | ControlData


class Notices:
    """Folds notices. A repeated one, or one older than those that are kept, is not published."""

    def __init__(self) -> None:
        self._risks: dict[str, RiskChanged] = {}
        self._alerts: DedupWindow[RiskChanged | AlertRaised] = DedupWindow(MAX_NOTICES)
        self._quoting: DedupWindow[QuotingChanged] = DedupWindow(MAX_QUOTING_CHANGES)
        self._reconciled: DedupWindow[Reconciled] = DedupWindow(MAX_NOTICES)
        self._corrections: DedupWindow[PositionCorrected] = DedupWindow(MAX_NOTICES)
        self._results: DedupWindow[CommandResult] = DedupWindow(MAX_NOTICES)
        self._incidents: deque[str] = deque(maxlen=MAX_INCIDENTS)

    def apply(self, label: MarketLabel, event: NoticeEvent) -> list[Message | LazyMessage]:
        """Apply an event; return the messages for the viewers of the market."""
        match event:
            case RiskChanged():
                return self._apply_risk(label, event)
            case AlertRaised():
                return self._apply_incident(label, event)
            case QuotingChanged():
                is_new = self._quoting.add((event.time, f"{event.step:020}"), event)
                return _if_new(is_new, MessageType.QUOTING, rendering.quoting, label, event)
            case Reconciled():
                key = (event.time, f"{event.step} {event.finding} {event.client_order_id}")
                is_new = self._reconciled.add(key, event)
                return _if_new(is_new, MessageType.RECONCILIATION, rendering.reconciliation, label, event)
            case PositionCorrected():
                is_new = self._corrections.add((event.time, f"{event.step} {event.position}"), event)
                return _if_new(is_new, MessageType.POSITION_CORRECTED, rendering.correction, label, event)
            case CommandResult():
                is_new = self._results.add((event.time, event.command_id), event)
                return _if_new(is_new, MessageType.CONTROL, rendering.control, label, event)
            case _:
                assert_never(event)

    def risk_status(self, label: MarketLabel) -> Message:
        """Return the message with the active risks."""
        active = sorted((risk for risk in self._risks.values() if risk.active), key=lambda risk: risk.reason)
        return Message(MessageType.RISK_STATUS, rendering.risk_status(label, active))

    def quoting_changes(self, label: MarketLabel) -> list[QuotingData]:
        """Return the recent changes of the reason for not quoting, oldest first."""
        return [rendering.quoting(label, event) for event in self._quoting.values()]

    def messages(self, label: MarketLabel) -> list[Message]:
        """Return the recent notices of all kinds, oldest first."""
        notices: list[tuple[Key, MessageType, Notice]] = [
            *((k, MessageType.RISK_ALERT, rendering.alert(label, e)) for k, e in self._alerts.items()),
            *(
                (k, MessageType.QUOTING, rendering.quoting(label, e))
                for k, e in self._quoting.items()[-MAX_NOTICES:]
            ),
            *(
                (k, MessageType.RECONCILIATION, rendering.reconciliation(label, e))
                for k, e in self._reconciled.items()
            ),
            *(
                (k, MessageType.POSITION_CORRECTED, rendering.correction(label, e))
                for k, e in self._corrections.items()
            ),
            *((k, MessageType.CONTROL, rendering.control(label, e)) for k, e in self._results.items()),
        ]
        return [Message(kind, data) for _, kind, data in sorted(notices, key=lambda notice: notice[:2])]

    def _apply_risk(self, label: MarketLabel, event: RiskChanged) -> list[Message | LazyMessage]:
        messages = self._apply_alert(label, event, f"{event.step} {event.reason} {event.active}")
        known = self._risks.get(event.reason)
        if known is None or known.time <= event.time:
            self._risks[event.reason] = event
        return [*messages, self.risk_status(label)] if messages else []

    def _apply_incident(self, label: MarketLabel, event: AlertRaised) -> list[Message | LazyMessage]:
        if not event.incident:  # of version 1
            return self._apply_alert(label, event, f"{event.step} {event.code}")
        if event.message_id in self._incidents:
            return []
        self._incidents.append(event.message_id)
        return self._apply_alert(label, event, event.message_id)

    def _apply_alert(
        self, label: MarketLabel, event: RiskChanged | AlertRaised, name: str
    ) -> list[Message | LazyMessage]:
        is_new = self._alerts.add((event.time, name), event)
        return _if_new(is_new, MessageType.RISK_ALERT, rendering.alert, label, event)


def _if_new(
    is_new: bool, kind: MessageType, render: Callable[..., Data], label: MarketLabel, event: NoticeEvent
) -> list[Message | LazyMessage]:
    return [LazyMessage(kind, render, (label, event))] if is_new else []
