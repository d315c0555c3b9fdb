"""A step of a grid: the finished `Change`, and the `Draft` that it is built in."""

from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    Reconciled,
    ReconciliationFinding,
    RiskChanged,
    Severity,
)
from schemas.engine.journal import Input, Notice
from schemas.grid.pending import PendingCommand
from schemas.grid.state import GridState
from schemas.subjects import registry_key
from schemas.units import ClientOrderId, DurationNs, Figures, Money, Price, TimeNs
from schemas.venue.account import OpenOrders, Position
from schemas.venue.orders import Decision, OrderStatus


@dataclass(frozen=True, slots=True)
class Change:
    """One step to commit. Equal causes applied to an equal state yield an equal change."""

    step: int
    causes: tuple[Input, ...]
    """The inputs that made the step, complete and never empty: replaying them reproduces it."""
    boundaries: tuple[int, ...]
    """The index in `causes` of the first cause of each evaluation but the first."""
    decisions: tuple[Decision, ...]
    fills: tuple[Fill, ...]
    notices: tuple[Notice, ...]
    time: TimeNs


class RoundTrip(NamedTuple):
    """A level that was opened and is closed again."""

    level: int
    profit: Money


class OrderCounts(NamedTuple):
    """The orders that a command cancels."""

    canceled: int
    out: int
    """Not ended yet."""


@dataclass(slots=True)
class Draft:
    """A step under construction.

    A function that mutates `state` calls `touch`; adding a decision or a notice implies it. An input that touched the
    draft is recorded as a cause, and a draft that was never touched makes no step.
    """

    state: GridState
    step: int
    time: TimeNs
    """Newest market time known: of the state, the ticker and the causes so far."""
    price_time: TimeNs = 0
    """Time of the newest tick; 0 before the first."""
    price: Price | None = None
    """Newest price."""
    stop_price: Price | None = None
    """The price at which stops and drawdown are judged, see `stop_on`; None before the first price."""
    round_trips: list[RoundTrip] = field(default_factory=list)
    """Those that ended in this step."""
    causes: list[Input] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    link_latency: DurationNs | None = None
    """Delay of the newest ticker; None without a new ticker, or when it carries no receive time."""
    sweep: OpenOrders | None = None
    """The open orders that answer the queued reconcile commands."""
    position: Position | None = None
    """The position received with the sweep."""
    sweep_time: TimeNs = 0
    """The time of a sweep that counts for the time-outs of pending commands."""
    ended: dict[ClientOrderId, OrderStatus] = field(default_factory=dict)
    """The orders that ended in this step, with their terminal status."""
    is_amount_changed: bool = False
    """Whether a `set` of this step changed the size of later orders."""
    queued: list[str] = field(default_factory=list)
    """The ids of the `reconcile` commands queued in this step."""
    missing: list[ClientOrderId] = field(default_factory=list)
    """The orders queried because the sweep of this step does not list them."""
    unanswered: list[ClientOrderId] = field(default_factory=list)
    """Those of them that were queried before, without an answer."""
    started: list[PendingCommand] = field(default_factory=list)
    """The commands applied in this step that cancel orders, until they are answered."""
    touches: int = 0
    """Number of changes so far."""

    def touch(self) -> None:
        """Mark the state as changed by the input being applied."""
        self.touches += 1

    def decide(self, decision: Decision) -> None:
        """Add a decision, once."""
        self.touch()
        if decision not in self.decisions:
            self.decisions.append(decision)

    def alert(self, severity: Severity, code: str, detail: str) -> None:
        """Raise an alert for operators. The incident is derived from the step: a repeated commit raises the same one."""
        state = self.state
        key = registry_key(state.venue, state.symbol)
        self._notify(
            AlertRaised(
                venue=state.venue,
                symbol=state.symbol,
                severity=severity,
                code=code,
                detail=detail,
                step=self.step,
                time=self.time,
                incident=f"{code}.{key}.{self.step}.{len(self.notices)}",
            )
        )

    def risk(
        self, severity: Severity, reason: str, details: str, because: Figures | None = None, *, active: bool
    ) -> None:
        """Report that a guard activated or cleared, in a sentence and with the figures behind it."""
        state = self.state
        self._notify(
            RiskChanged(
                venue=state.venue,
                symbol=state.symbol,
                severity=severity,
                reason=reason,
                details=details,
                active=active,
                step=self.step,
                time=self.time,
                figures=because or {},
            )
        )

    def reconciled(self, finding: ReconciliationFinding, client_order_id: ClientOrderId, action: str) -> None:
        """Report a difference between our state and the venue's, and the action taken."""
        state = self.state
        self._notify(
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

    def corrected(self, correction: PositionCorrected) -> None:
        """Report a difference from the venue's position that was booked."""
        self._notify(correction)

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
        orders: OrderCounts | None = None,
    ) -> None:
        """Answer a command that was received at `time`, with the counts of the orders that it cancels."""
        state = self.state
        self._notify(
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
                orders_canceled=None if orders is None else orders.canceled,
                orders_out=None if orders is None else orders.out,
                position=state.accounts.position,
            )
        )

    def _notify(self, notice: Notice) -> None:
        self.touch()
        self.notices.append(notice)
