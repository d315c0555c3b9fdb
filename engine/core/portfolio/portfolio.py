"""The portfolio of all venues: inputs in, one step out; its limits apply to every symbol, by quote currency.

A step is a function of the state and its causes. The newest `SymbolSeen` of each symbol is kept beside the state, and is a
cause of every step.
"""

from collections.abc import Sequence
from decimal import localcontext
from typing import assert_never

from engine.core.arithmetic import CONTEXT
from engine.core.portfolio import exposure, global_breaker, global_trip
from engine.core.portfolio.commands import on_add, on_command_for_all
from engine.core.portfolio.step import PortfolioChange, PortfolioDraft
from schemas.engine.events import Fill
from schemas.engine.portfolio import (
    BucketLimits,
    OrderLatency,
    PortfolioEntry,
    PortfolioLimits,
    SymbolExposure,
)
from schemas.engine.portfolio_journal import (
    AddRequested,
    Bucket,
    CommandForAll,
    Market,
    PortfolioInput,
    PortfolioState,
    SymbolSeen,
)
from schemas.grid.guard_state import BreakerState
from schemas.grid.view import GridView, SlotStatus
from schemas.units import ZERO
from schemas.venue.market import ClockRead


class Portfolio:
    """The portfolio: its state, mutated in place by each step, and the newest `SymbolSeen` of each symbol.

    Discard the object when a step could not be committed: its state is ahead.
    """

    def __init__(self, state: PortfolioState | None, step: int) -> None:
        self.state = state
        self.step = step
        self._seen: dict[Market, SymbolSeen] = {}

    def process(self, inputs: Sequence[PortfolioInput]) -> PortfolioChange | None:
        """Apply inputs in order and return the step they make; None when they change nothing in the state."""
        with localcontext(CONTEXT):
            return self._process(inputs)

    def limits(self) -> PortfolioLimits:
        """Return the limits for every symbol. Valid after the first step only."""
        assert self.state is not None
        state, breaker = self.state, self.state.breaker
        with localcontext(CONTEXT):
            buckets = self._buckets(state)
            exposures = tuple(_symbol_exposure(each) for each in self._ordered())
        only = next(iter(buckets.values())) if len(buckets) == 1 else BucketLimits()
        return PortfolioLimits(
            venue=state.venue,
            is_opening_allowed=all(each.is_opening_allowed for each in buckets.values()),
            breaker=breaker.state,
            reason=breaker.reason,
            max_exposure=only.max_exposure,
            exposure=only.exposure,
            symbols=tuple(each for each in exposures if each.notional),
            step=self.step,
            time=max([state.time, *(each.time for each in self._seen.values())]),
            buckets=buckets,
        )

    def _buckets(self, state: PortfolioState) -> dict[str, BucketLimits]:
        # A draft that is discarded: it only reads.
        draft = PortfolioDraft(state, self.step, state.time, self._seen)
        buckets = {each: _limits_of(draft, each) for each in draft.currencies()}
        _drop_initial_buckets(state)
        return buckets

    def _ordered(self) -> list[SymbolSeen]:
        return sorted(self._seen.values(), key=lambda each: (each.venue, each.symbol))

    def _process(self, inputs: Sequence[PortfolioInput]) -> PortfolioChange | None:
        for each in inputs:
            if isinstance(each, SymbolSeen):
                self._seen[Market(venue=each.venue, symbol=each.symbol)] = each
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
        draft.causes += self._ordered()
        draft.causes += [each for each in inputs if isinstance(each, ClockRead)]
        for event in inputs:
            _apply(draft, event)
        exposure.evaluate(draft)
        global_breaker.evaluate(draft)
        global_trip.advance(draft)
        _drop_initial_buckets(self.state)
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
        venue=view.venue,
        symbol=view.symbol,
        position=view.position,
        price=view.price or ZERO,
        total_profit=view.total_profit,
        earlier_profit=view.earlier_profit,
        not_quoting=view.not_quoting,
        opening_orders=sum(each.status is SlotStatus.OPEN for each in view.slots),
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


def _symbol_exposure(seen: SymbolSeen) -> SymbolExposure:
    return SymbolExposure(
        venue=seen.venue,
        symbol=seen.symbol,
        position=seen.position,
        price=seen.price,
        notional=exposure.notional(seen),
    )


def _limits_of(draft: PortfolioDraft, currency: str) -> BucketLimits:
    bucket, maximum = draft.bucket(currency), draft.state.settings.of(currency).max_exposure
    breaker = global_breaker.worse(draft.state.breaker, bucket.breaker)
    reason = f"all symbols together hold {maximum:f} {currency} or more" if bucket.is_exposed else ""
    return BucketLimits(
        is_opening_allowed=not bucket.is_exposed,
        breaker=breaker.state,
        reason=reason if breaker.state is BreakerState.CLOSED else breaker.reason,
        max_exposure=maximum,
        exposure=exposure.exposure(draft.seen_in(currency)),
    )


def _drop_initial_buckets(state: PortfolioState) -> None:
    state.buckets = {name: each for name, each in sorted(state.buckets.items()) if each != Bucket()}
