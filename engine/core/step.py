"""A step: what a change says once it is made, and the draft that gathers it."""

from dataclasses import dataclass, field

from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    Reconciled,
    ReconciliationFinding,
    RiskChanged,
    Severity,
)
from schemas.engine.journal import Input, Notice
from schemas.grid.state import GridState
from schemas.units import ClientOrderId, DurationNs, Money, Price, TimeNs
from schemas.venue.account import OpenOrders, Position
from schemas.venue.orders import Decision


@dataclass(frozen=True, slots=True)
class Change:
    """One step to commit. The same causes from the same state give the same change."""

    step: int
    causes: tuple[Input, ...]
    """In full, never empty."""
    decisions: tuple[Decision, ...]
    fills: tuple[Fill, ...]
    notices: tuple[Notice, ...]
    time: TimeNs


@dataclass(slots=True)
class Draft:
    """A step in the making. Whoever changes the state or says something tells that its input was a cause."""

    state: GridState
    step: int
    time: TimeNs
    """The newest market time known: of the state, of the ticker and of the causes so far."""
    price_time: TimeNs = 0
    """When the newest tick known was; 0 before the first."""
    price: Price | None = None
    """The newest price known."""
    round_trips: list[Money] = field(default_factory=list)
    """What each round trip made that ended in this step."""
    causes: list[Input] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    link_latency: DurationNs | None = None
    """How late the newest ticker came; None when none is new, or it does not say."""
    sweep: OpenOrders | None = None
    """What answers those who asked for a reconciliation."""
    position: Position | None = None
    """The one that came with it."""

    def decide(self, decision: Decision) -> None:
        """Add a decision, once."""
        if decision not in self.decisions:
            self.decisions.append(decision)

    def alert(self, severity: Severity, code: str, detail: str) -> None:
        """Tell people what they should look at."""
        state = self.state
        self.notices.append(
            AlertRaised(
                venue=state.venue,
                symbol=state.symbol,
                severity=severity,
                code=code,
                detail=detail,
                step=self.step,
                time=self.time,
            )
        )

    def risk(self, severity: Severity, reason: str, details: str, *, active: bool) -> None:
        """Tell that a guard stepped in, or stepped back."""
        state = self.state
        self.notices.append(
            RiskChanged(
                venue=state.venue,
                symbol=state.symbol,
                severity=severity,
                reason=reason,
                details=details,
                active=active,
                step=self.step,
                time=self.time,
            )
        )

    def reconciled(self, finding: ReconciliationFinding, client_order_id: ClientOrderId, action: str) -> None:
        """Tell how our books and the venue's differed, and what is done."""
        state = self.state
        self.notices.append(
            Reconciled(
                venue=state.venue,
                symbol=state.symbol,
                finding=finding,
                client_order_id=client_order_id,
                action=action,
                step=self.step,
                time=self.time,
            )
        )

    def answer(
        self,
        *,
        command_id: str,
        name: CommandName,
        operator: str,
        reason: str,
        outcome: CommandOutcome,
        detail: str,
        time: TimeNs,
    ) -> None:
        """Tell what became of a command that was read at `time`."""
        state = self.state
        self.notices.append(
            CommandResult(
                venue=state.venue,
                symbol=state.symbol,
                command_id=command_id,
                name=name,
                outcome=outcome,
                detail=detail,
                operator=operator,
                reason=reason,
                step=self.step,
                time=time,
            )
        )
