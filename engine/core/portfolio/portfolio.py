"""All symbols of a venue as one object: inputs in, one step out; what it lets every symbol do is a level.

A step is a function of the state and its causes. Of each symbol only the newest is known, kept beside the state, and a
cause of every step that is made.
"""

from collections.abc import Sequence
from decimal import localcontext
from typing import assert_never

from engine.core.arithmetic import CONTEXT
from engine.core.portfolio import exposure, global_breaker
from engine.core.portfolio.commands import on_add, on_command_for_all
from engine.core.portfolio.step import PortfolioChange, PortfolioDraft
from schemas.engine.events import Fill
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits, SymbolExposure
from schemas.engine.portfolio_journal import (
    AddRequested,
    CommandForAll,
    PortfolioInput,
    PortfolioState,
    SymbolSeen,
)
from schemas.grid.state import BreakerState
from schemas.grid.view import GridView
from schemas.units import ZERO, Symbol
from schemas.venue.market import ClockRead


class Portfolio:
    """A venue's portfolio: its state, changed in place by each step, and the newest of each symbol.

    After a step could not be committed the object is of no use any more.
    """

    def __init__(self, state: PortfolioState | None, step: int) -> None:
        self.state = state
        self.step = step
        self._seen: dict[Symbol, SymbolSeen] = {}

    def process(self, inputs: Sequence[PortfolioInput]) -> PortfolioChange | None:
        """Apply inputs in order and return the step they make, or None and an unchanged state."""
        with localcontext(CONTEXT):
            return self._process(inputs)

    def limits(self) -> PortfolioLimits:
        """Return what every symbol may do now. There has to have been a step."""
        assert self.state is not None
        state, settings = self.state, self.state.settings
        with localcontext(CONTEXT):
            total = exposure.exposure(self._seen.values())
            parts = tuple(_part(self._seen[symbol]) for symbol in sorted(self._seen))
        return PortfolioLimits(
            venue=state.venue,
            is_opening_allowed=not state.is_exposed,
            breaker=state.breaker.state,
            reason=_reason(state),
            max_exposure=settings.max_exposure,
            exposure=total,
            symbols=tuple(part for part in parts if part.notional),
            step=self.step,
            time=max([state.time, *(each.time for each in self._seen.values())]),
        )

    def _process(self, inputs: Sequence[PortfolioInput]) -> PortfolioChange | None:
        self._seen |= {each.symbol: each for each in inputs if isinstance(each, SymbolSeen)}
        causes = self._begin(inputs)
        if self.state is None:
            return None
        times = [
            each.time for each in (*self._seen.values(), *inputs) if isinstance(each, SymbolSeen | ClockRead)
        ]
        draft = PortfolioDraft(self.state, self.step + 1, max([self.state.time, *times]), self._seen)
        heard = [each for each in inputs if _hear(draft, each)]
        is_new = bool(causes) or bool(heard)
        is_new |= exposure.look(draft)
        is_new |= global_breaker.look(draft)
        if not is_new:
            return None
        known = [self._seen[symbol] for symbol in sorted(self._seen)]
        clocks = [each for each in inputs if isinstance(each, ClockRead)]
        return self._commit(draft, [*causes, *known, *clocks, *heard])

    def _begin(self, inputs: Sequence[PortfolioInput]) -> list[PortfolioInput]:
        if self.state is not None:
            return []
        entry = next((each for each in inputs if isinstance(each, PortfolioEntry)), None)
        if entry is None:
            return []
        self.state = PortfolioState(venue=entry.venue, settings=entry.settings)
        return [entry]

    def _commit(self, draft: PortfolioDraft, causes: list[PortfolioInput]) -> PortfolioChange:
        draft.state.time = draft.time
        self.step = draft.step
        return PortfolioChange(
            step=draft.step,
            causes=tuple(causes),
            notices=tuple(draft.notices),
            commands=tuple(draft.commands),
            entries=tuple(draft.entries),
            time=draft.time,
        )


def seen(view: GridView) -> SymbolSeen:
    """Return what the portfolio needs of a symbol's grid."""
    return SymbolSeen(
        symbol=view.symbol,
        position=view.position,
        price=view.price or ZERO,
        total_profit=view.total_profit,
        not_quoting=view.not_quoting,
        time=view.time,
    )


def _hear(draft: PortfolioDraft, event: PortfolioInput) -> bool:
    match event:
        case PortfolioEntry():
            return _set(draft, event)
        case Fill():
            return global_breaker.on_fill(draft, event)
        case OrderLatency():
            return global_breaker.on_latency(draft, event)
        case CommandForAll():
            return on_command_for_all(draft, event)
        case AddRequested():
            return on_add(draft, event)
        case SymbolSeen() | ClockRead():
            return False  # taken for the step as a whole
        case _:
            assert_never(event)


def _set(draft: PortfolioDraft, entry: PortfolioEntry) -> bool:
    if entry.settings == draft.state.settings:
        return False
    draft.state.settings = entry.settings
    return True


def _part(symbol: SymbolSeen) -> SymbolExposure:
    return SymbolExposure(
        symbol=symbol.symbol,
        position=symbol.position,
        price=symbol.price,
        notional=exposure.notional(symbol),
    )


def _reason(state: PortfolioState) -> str:
    if state.breaker.state is not BreakerState.CLOSED:
        return state.breaker.reason
    return f"all symbols together hold {state.settings.max_exposure:f} or more" if state.is_exposed else ""
