"""The grid of one symbol as an object: inputs in, one step out. The step as a whole can be read here.

A step is a function of the state and its causes, so whatever influences it is one or the other. Of tickers only the newest
counts: one that commits nothing is kept beside the state, and becomes a cause of the step that comes next.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, localcontext
from typing import NamedTuple

from engine.core import blocking
from engine.core.arithmetic import CONTEXT
from engine.core.commands import grid_stops, halt, reconcile
from engine.core.dispatch import hear
from engine.core.guards.drawdown import remember_peak
from engine.core.guards.latency import link_latency
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import Progress, advance, next_order_id, open_order, slot_at, tidy
from engine.core.quoting import inventory_skew, volatility
from engine.core.quoting.quoting import (
    Market,
    Plan,
    Quote,
    bounded,
    is_reduce_only,
    market_in,
    market_of,
    plan,
    why_not,
)
from engine.core.startup import startup
from engine.core.step import Change, Draft
from schemas.engine.journal import Input, SymbolAdded, TimePassed
from schemas.grid.state import GridState, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import Price, TimeNs
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder, PlaceOrder

FOR_EVER: TimeNs = 2**63 - 1


class Calm(NamedTuple):
    """From where to where, and until when, a ticker alone changes nothing."""

    low: Price
    high: Price
    """Excluded."""
    until: TimeNs
    skewed: GridState | None
    """The state whose inventory moves the grid away from the price; None while none does."""


class Grid:
    """One grid: its state, changed in place by each step, and caches that are derived from it.

    Inputs are those of its symbol alone. After a step could not be committed the object is of no use any more.
    """

    def __init__(self, state: GridState | None, step: int) -> None:
        self.state = state
        self.step = step
        self._ticker: Ticker | None = None
        self._lattice = _lattice_of(state)
        self._calm: Calm | None = None

    def process(self, inputs: Sequence[Input]) -> Change | None:
        """Apply inputs in order and return the step they make, or None and an unchanged state.

        What is returned says what `state` was changed to; encode both before the next call.
        """
        if self._calm is not None and len(inputs) == 1 and self._stays_calm(inputs[0], self._calm):
            return None
        with localcontext(CONTEXT):
            return self._process(inputs)

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the one reason why no opening order is out, None when there is one."""
        with localcontext(CONTEXT):
            return NotQuoting.NO_PRICE if self.state is None else why_not(self.state, self._lattice)

    def _stays_calm(self, event: Input, calm: Calm) -> bool:
        if not isinstance(event, Ticker) or event.time >= calm.until:
            return False
        price = market_of(event).price
        if calm.skewed is not None:
            price = inventory_skew.reference(calm.skewed, price)
        if not calm.low <= price < calm.high:
            return False
        self._ticker = event
        return True

    def _process(self, inputs: Sequence[Input]) -> Change | None:
        causes = self._begin(inputs)
        is_added = bool(causes)
        state = self.state
        if state is None:
            return None
        self._ticker = _newest_ticker(inputs) or self._ticker
        silence = _newest_silence(inputs)
        times = [each for each in (self._ticker, silence) if each is not None]
        causes += times
        market = market_of(self._ticker) if self._ticker else market_in(state)
        draft = Draft(
            state,
            self.step + 1,
            max([state.time, *(each.time for each in times)]),
            0 if market is None else market.time,
            None if market is None else market.price,
            link_latency=None if self._ticker is None else link_latency(self._ticker),
        )
        heard = [each for each in inputs if hear(draft, each)]
        is_new = is_added or bool(heard)
        reconcile.answer(draft)
        is_new |= blocking.look(draft, silence)
        is_new |= grid_stops.look(draft)
        is_new |= halt.look(draft)
        if market is not None:
            is_new |= self._follow(state, market, draft.time)
            is_new |= self._start(draft, market)
        changes = self._plan(state, market, draft.time)
        if not (is_new or changes.cancels or changes.quotes):
            self._calm = self._calm_of(state, changes, draft.time)
            return None
        draft.causes = causes + heard
        return self._commit(draft, market, changes)

    def _begin(self, inputs: Sequence[Input]) -> list[Input]:
        if self.state is not None:
            return []
        added = next((each for each in inputs if isinstance(each, SymbolAdded)), None)
        if added is None:
            return []
        self.state = _first_state(added)
        return [added]

    def _follow(self, state: GridState, market: Market, now: TimeNs) -> bool:
        is_first = self._lattice is None
        if self._lattice is None:
            state.anchor = first_anchor(market.price, state.instrument.tick_size)
            state.accounts.first_price, state.accounts.first_time = market.price, now
            self._lattice = Lattice(state.anchor, state.settings, state.instrument)
        stride = volatility.stride(state, self._lattice)
        center = self._lattice.nearest(
            bounded(state.settings, inventory_skew.reference(state, market.price)), stride
        )
        has_moved = (center, stride) != (state.center, state.stride)
        state.center, state.stride = center, stride
        return is_first or has_moved

    def _start(self, draft: Draft, market: Market) -> bool:
        assert self._lattice is not None
        if not startup.look(draft, self._lattice, market.price):
            return False
        self._follow(draft.state, market, draft.time)  # what was taken over may move the center
        return True

    def _plan(self, state: GridState, market: Market | None, now: TimeNs) -> Plan:
        if self._lattice is None or market is None:
            return Plan([], [], depends_on_price=True)
        if blocking.halted_by(state) is not None:
            return halt.plan(state, market, now)
        return plan(state, self._lattice, market, now)

    def _calm_of(self, state: GridState, changes: Plan, now: TimeNs) -> Calm | None:
        if self._lattice is None or changes.depends_on_price or _is_waiting_for_a_tick(state):
            return None
        if state.startup is not None:
            return None
        ends = [slot.quiet_until for slot in state.slots.values() if slot.quiet_until > now]
        ends += blocking.ends(state)
        bounds = self._lattice.bounds(state.center, state.stride)
        return Calm(*bounds, min(ends, default=FOR_EVER), state if inventory_skew.is_skewed(state) else None)

    def _commit(self, draft: Draft, market: Market | None, changes: Plan) -> Change:
        state = draft.state
        for order, reason in changes.cancels:
            advance(order, Progress.CANCEL_DECIDED)
            draft.decide(CancelOrder(client_order_id=order.client_order_id, reason=reason))
        for quote in changes.quotes:
            _place(draft, quote)
        if market is not None:
            state.price, state.bid, state.ask, state.price_time = market
        state.time = draft.time
        if state.price is not None:
            remember_peak(state, state.price)
        tidy(state)
        self.step, self._ticker, self._calm = draft.step, None, None
        return Change(
            step=draft.step,
            causes=tuple(draft.causes),
            decisions=tuple(draft.decisions),
            fills=tuple(draft.fills),
            notices=tuple(draft.notices),
            time=draft.time,
        )


def _place(draft: Draft, quote: Quote) -> None:
    state = draft.state
    slot = slot_at(state, quote.level)
    reduce_only = is_reduce_only(state, quote)
    order = SlotOrder(
        client_order_id=next_order_id(state, slot, quote.side),
        side=quote.side,
        price=quote.price,
        quantity=quote.quantity,
        opens=quote.opens,
        decided_time=draft.time,
    )
    open_order(state, slot, order)
    draft.decide(
        PlaceOrder(
            client_order_id=order.client_order_id,
            side=quote.side,
            price=quote.price,
            quantity=quote.quantity,
            post_only=quote.post_only,
            reduce_only=reduce_only,
            level=quote.level,
            opens=quote.opens,
        )
    )


def _first_state(added: SymbolAdded) -> GridState:
    # Its time is a wall clock's: the market's begins with the first ticker.
    return GridState(
        venue=added.venue,
        symbol=added.symbol,
        instance=added.instance,
        generation=added.generation,
        settings=added.settings,
        instrument=added.instrument,
        startup=startup.startup_of(added.settings),
    )


def _is_waiting_for_a_tick(state: GridState) -> bool:
    return blocking.is_waiting_for_a_tick(state) or grid_stops.is_set(state)


def _lattice_of(state: GridState | None) -> Lattice | None:
    if state is None or state.anchor is None:
        return None
    return Lattice(state.anchor, state.settings, state.instrument)


def _newest_ticker(inputs: Sequence[Input]) -> Ticker | None:
    tickers = (each for each in reversed(inputs) if isinstance(each, Ticker))
    return next((each for each in tickers if market_of(each).price > 0), None)


def _newest_silence(inputs: Sequence[Input]) -> TimePassed | None:
    return next((each for each in reversed(inputs) if isinstance(each, TimePassed)), None)


def first_anchor(price: Price, tick: Price) -> Price:
    """Return the anchor of a grid that first sees a price: the nearest tick, above zero."""
    rounded = ((price / tick).to_integral_value(ROUND_HALF_UP) * tick).quantize(tick)
    return max(rounded, tick)
