"""A step of the portfolio: the finished `PortfolioChange`, and the `PortfolioDraft` that it is built in."""

from dataclasses import dataclass, field

from engine.core.step import OrderCounts
from schemas.engine.control import Command, CommandOutcome, CommandResult
from schemas.engine.events import RiskChanged, Severity
from schemas.engine.journal import Notice, SymbolEntry
from schemas.engine.portfolio_journal import Bucket, Market, PortfolioInput, PortfolioState, SymbolSeen
from schemas.subjects import ALL
from schemas.units import Figures, Symbol, TimeNs
from schemas.venue.instruments import quote_of


@dataclass(frozen=True, slots=True)
class PortfolioChange:
    """One step to commit. Equal causes applied to an equal state yield an equal change."""

    step: int
    causes: tuple[PortfolioInput, ...]
    notices: tuple[Notice, ...]
    commands: tuple[Command, ...]
    entries: tuple[SymbolEntry, ...]
    time: TimeNs


@dataclass(slots=True)
class PortfolioDraft:
    """A step under construction. A function that mutates `state` calls `touch`; adding a notice implies it."""

    state: PortfolioState
    step: int
    time: TimeNs
    """Newest market time known."""
    seen: dict[Market, SymbolSeen]
    causes: list[PortfolioInput] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    entries: list[SymbolEntry] = field(default_factory=list)
    touches: int = 0
    """Number of changes so far."""

    def touch(self) -> None:
        """Mark the state as changed by the input being applied."""
        self.touches += 1

    def currencies(self) -> list[str]:
        """Return the quote currencies that have symbols, limits or a state."""
        quotes = {quote_of(market.symbol) for market in self.seen}
        return sorted(quotes | set(self.state.settings.currencies) | set(self.state.buckets))

    def bucket(self, currency: str) -> Bucket:
        """Return the state of a quote currency, to be read or mutated."""
        return self.state.buckets.setdefault(currency, Bucket())

    def seen_in(self, currency: str) -> list[SymbolSeen]:
        """Return the symbols with a quote currency."""
        return [each for each in self.seen.values() if quote_of(each.symbol) == currency]

    def risk(
        self, severity: Severity, reason: str, details: str, because: Figures | None = None, *, active: bool
    ) -> None:
        """Report that a guard over all symbols activated or cleared, in a sentence and with the figures behind it."""
        self._notify(
            RiskChanged(
                venue=self.state.venue,
                symbol=Symbol(ALL),
                severity=severity,
                reason=reason,
                details=details,
                active=active,
                step=self.step,
                time=self.time,
                figures=because or {},
            )
        )

    def answer(
        self,
        command: Command,
        time: TimeNs,
        outcome: CommandOutcome,
        detail: str,
        orders: OrderCounts | None = None,
    ) -> None:
        """Answer a command that was received at `time`, with the counts of the orders that it cancels."""
        self._notify(
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
                orders_canceled=None if orders is None else orders.canceled,
                orders_out=None if orders is None else orders.out,
            )
        )

    def _notify(self, notice: Notice) -> None:
        self.touch()
        self.notices.append(notice)
