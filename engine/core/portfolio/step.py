"""A step of the portfolio: what a change says once it is made, and the draft that gathers it."""

from dataclasses import dataclass, field

from schemas.engine.control import Command, CommandOutcome, CommandResult
from schemas.engine.events import RiskChanged, Severity
from schemas.engine.journal import Notice, SymbolEntry
from schemas.engine.portfolio_journal import PortfolioInput, PortfolioState, SymbolSeen
from schemas.subjects import ALL
from schemas.units import Symbol, TimeNs


@dataclass(frozen=True, slots=True)
class PortfolioChange:
    """One step to commit. The same causes from the same state give the same change."""

    step: int
    causes: tuple[PortfolioInput, ...]
    notices: tuple[Notice, ...]
    commands: tuple[Command, ...]
    entries: tuple[SymbolEntry, ...]
    time: TimeNs


@dataclass(slots=True)
class PortfolioDraft:
    """A step in the making."""

    state: PortfolioState
    step: int
    time: TimeNs
    """The newest market time known."""
    seen: dict[Symbol, SymbolSeen]
    notices: list[Notice] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    entries: list[SymbolEntry] = field(default_factory=list)

    def risk(self, severity: Severity, reason: str, details: str, *, active: bool) -> None:
        """Tell that a guard over all symbols stepped in, or stepped back."""
        self.notices.append(
            RiskChanged(
                venue=self.state.venue,
                symbol=Symbol(ALL),
                severity=severity,
                reason=reason,
                details=details,
                active=active,
                step=self.step,
                time=self.time,
            )
        )

    def answer(self, command: Command, time: TimeNs, outcome: CommandOutcome, detail: str) -> None:
        """Answer a command."""
        self.notices.append(
            CommandResult(
                venue=command.venue,
                symbol=command.symbol,
                command_id=command.command_id,
                name=command.name,
                outcome=outcome,
                detail=detail,
                operator=command.operator,
                reason=command.reason,
                step=self.step,
                time=time,
            )
        )
