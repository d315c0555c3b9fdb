"""The portfolio of a venue: inputs in, one step out; its limits apply to every symbol.

A step is a function of the state and its causes. The newest `SymbolSeen` of each symbol is kept beside the state, and is a
cause of every step.
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
    """A venue's portfolio: its state, mutated in place by each step, and the newest `SymbolSeen` of each symbol.

    Discard the object when a step could not be committed: its state is ahead.
    """

    def __init__(self, state: PortfolioState | None, step: int) -> None:
        self.state = state
        self.step = step
        self._seen: dict[Symbol, SymbolSeen] = {}

    def process(self, inputs: Sequence[PortfolioInput]) -> PortfolioChange | None:
        """Apply inputs in order and return the step they make; None when they change nothing in the state."""
        with localcontext(CONTEXT):
            return self._process(inputs)

    def limits(self) -> PortfolioLimits:
        """Return the limits for every symbol. Valid after the first step only."""
        assert self.state is not None
        state, settings = self.state, self.state.settings
        with localcontext(CONTEXT):
            total = exposure.exposure(self._seen.values())
            exposures = tuple(_symbol_exposure(self._seen[symbol]) for symbol in sorted(self._seen))
        return PortfolioLimits(
            venue=state.venue,
            is_opening_allowed=not state.is_exposed,
            breaker=state.breaker.state,
            reason=_reason(state),
            max_exposure=settings.max_exposure,
            exposure=total,
            symbols=tuple(each for each in exposures if each.notional),
            step=self.step,
            time=max([state.time, *(each.time for each in self._seen.values())]),
        )

    def _process(self, inputs: Sequence[PortfolioInput]) -> PortfolioChange | None:
        self._seen |= {each.symbol: each for each in inputs if isinstance(each, SymbolSeen)}
        entry = self._create(inputs)
        if self.state is None:
            return None
        times = [
            each.time for each in (*self._seen.values(), *inputs) if isinstance(each, SymbolSeen | ClockRead)
        ]
        draft = PortfolioDraft(self.state, self.step + 1, max([self.state.time, *times]), self._seen)
        # The first causes are inputs of the step as a whole.
        if entry is not None:
            draft.touch()
            draft.causes.append(entry)
        draft.causes += [self._seen[symbol] for symbol in sorted(self._seen)]
        draft.causes += [each for each in inputs if isinstance(each, ClockRead)]
        for event in inputs:
            _apply(draft, event)
        exposure.evaluate(draft)
        global_breaker.evaluate(draft)
        return self._commit(draft) if draft.touches else None

    def _create(self, inputs: Sequence[PortfolioInput]) -> PortfolioEntry | None:
        """Create the state at the first `PortfolioEntry`."""
        if self.state is not None:
            return None
        entry = next((each for each in inputs if isinstance(each, PortfolioEntry)), None)
        if entry is not None:
            self.state = PortfolioState(venue=entry.venue, settings=entry.settings)
        return entry

    def _commit(self, draft: PortfolioDraft) -> PortfolioChange:
        draft.state.time = draft.time
        self.step = draft.step
        return PortfolioChange(
            step=draft.step,
            causes=tuple(draft.causes),
            notices=tuple(draft.notices),
            commands=tuple(draft.commands),
            entries=tuple(draft.entries),
            time=draft.time,
        )


def seen(view: GridView) -> SymbolSeen:
    """Return what the portfolio needs to know of a symbol's grid."""
    return SymbolSeen(
        symbol=view.symbol,
        position=view.position,
        price=view.price or ZERO,
        total_profit=view.total_profit,
        not_quoting=view.not_quoting,
        time=view.time,
    )


def _apply(draft: PortfolioDraft, event: PortfolioInput) -> None:
    """Apply one input, and record it as a cause if it changed the draft."""
    touches = draft.touches
    match event:
        case PortfolioEntry():
            _set(draft, event)
        case Fill():
            global_breaker.on_fill(draft, event)
        case OrderLatency():
            global_breaker.on_latency(draft, event)
        case CommandForAll():
            on_command_for_all(draft, event)
        case AddRequested():
            on_add(draft, event)
        case SymbolSeen() | ClockRead():
            pass  # causes of the step as a whole
        case _:
            assert_never(event)
    if draft.touches != touches:
        draft.causes.append(event)


def _set(draft: PortfolioDraft, entry: PortfolioEntry) -> None:
    if entry.settings != draft.state.settings:
        draft.touch()
        draft.state.settings = entry.settings


def _symbol_exposure(symbol: SymbolSeen) -> SymbolExposure:
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
