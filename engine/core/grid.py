"""The grid of one symbol: inputs in, one step out. `Grid._process` is the step as a whole.

A step is a function of the state and its causes, so everything that influences it is one of the two. Of tickers only the
newest counts. A ticker that makes no step is kept beside the state, and becomes a cause of the next step.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, localcontext
from itertools import accumulate, chain
from typing import NamedTuple

from engine.core import blocking, dispatch
from engine.core.arithmetic import CONTEXT
from engine.core.commands import grid_stops, halt, pending, reconcile
from engine.core.decisions import cancel
from engine.core.guards.drawdown import remember_peak
from engine.core.guards.latency import link_latency
from engine.core.orders import refused_cancels
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import Progress, advance, drop_idle_slots, next_order_id, open_order, slot_at
from engine.core.quoting import inventory_skew, quoting_record, volatility
from engine.core.quoting.quotes import Market, Quote, bounded, is_reduce_only, market_in, market_of
from engine.core.quoting.quoting import Plan, plan, why_not
from engine.core.startup import startup
from engine.core.step import Change, Draft
from schemas.engine.journal import Input, SymbolAdded, TimePassed
from schemas.grid.state import GridState, QuotingRecord, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import Price, TimeNs
from schemas.venue.market import Ticker
from schemas.venue.orders import OrderReport, PlaceOrder

NEVER: TimeNs = 2**63 - 1


class NoActionBand(NamedTuple):
    """The prices and times within which a ticker alone makes no step."""

    low: Price
    high: Price
    """Exclusive."""
    until: TimeNs
    """Exclusive."""
    skewed: GridState | None
    """The state whose inventory shifts the price compared; None without a skew."""


class Grid:
    """One grid: its state, mutated in place by each step, and caches derived from it.

    Inputs concern its symbol, the symbols it monitors, the account, or the portfolio's limits. Discard the object when a
    step could not be committed: its state is ahead.
    """

    def __init__(self, state: GridState | None, step: int) -> None:
        self.state = state
        self.step = step
        self._ticker: Ticker | None = None
        """The newest ticker that is not yet a cause of a step."""
        self._lattice = _lattice_of(state)
        self._band: NoActionBand | None = None
        self._held: list[Sequence[Input]] = []
        """The causes of evaluations that were held: they become part of the next step."""

    @property
    def held_reports(self) -> int:
        """Number of order reports that were applied, and wait for the next step."""
        return sum(isinstance(each, OrderReport) for causes in self._held for each in causes)

    def process(self, inputs: Sequence[Input], *, may_hold: bool = False) -> Change | None:
        """Apply inputs in order and return the step they make; None when they change nothing in the state.

        With `may_hold`, order reports that only change the state are held: they are applied and become causes of the next
        step. The change shares objects with `state`: encode both before the next call.
        """
        if self._band is not None and len(inputs) == 1 and self._is_in_band(inputs[0], self._band):
            return None
        with localcontext(CONTEXT):
            draft = self._process(inputs)
        if draft is None:
            return None
        if may_hold and _is_holdable(draft):
            self._held.append(draft.causes)
            return None
        return self._change(draft)

    def release_held(self) -> Change | None:
        """Return a step of the held evaluations alone; None when there are none."""
        if not self._held or self.state is None:
            return None
        return self._change(Draft(self.state, self.step + 1, self.state.time, causes=list(self._held.pop())))

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the one reason why no opening order is live, None when one is."""
        with localcontext(CONTEXT):
            return NotQuoting.NO_PRICE if self.state is None else why_not(self.state, self._lattice)

    def _process(self, inputs: Sequence[Input]) -> Draft | None:
        added = self._add(inputs)
        if self.state is None:
            return None
        self._ticker = _newest_ticker(inputs) or self._ticker
        silence = _newest_silence(inputs)
        market = market_of(self._ticker) if self._ticker else market_in(self.state)
        draft = self._draft(self.state, added, silence, market)

        for event in inputs:
            dispatch.apply(draft, event)
        if self._lattice is not None and self._lattice.instrument is not self.state.instrument:
            self._lattice = _lattice_of(self.state)
        reconcile.answer(draft)
        refused_cancels.repeat_due(draft)
        blocking.evaluate(draft, silence)
        grid_stops.check(draft)
        halt.advance(draft)
        if market is not None:
            self._recenter(draft, market)
            self._advance_startup(draft, market)

        orders = self._plan(draft, market)
        reconcile.advance(draft)
        pending.advance(draft, orders.cancels)
        if draft.touches or orders.cancels or orders.quotes:
            # Inputs that changed nothing by themselves are the causes of what the evaluation changed.
            draft.causes = draft.causes or list(inputs)
            self._finish(draft, market, orders)
            return draft
        self._band = self._no_action_band(draft, orders)
        return None

    def _add(self, inputs: Sequence[Input]) -> SymbolAdded | None:
        """Create the state when inputs add the symbol for the first time."""
        if self.state is not None:
            return None
        added = next((each for each in inputs if isinstance(each, SymbolAdded)), None)
        if added is not None:
            self.state = _first_state(added)
        return added

    def _draft(
        self, state: GridState, added: SymbolAdded | None, silence: TimePassed | None, market: Market | None
    ) -> Draft:
        """Start a draft. Its first causes are inputs of the step as a whole: addition, newest ticker, silence."""
        times = [each for each in (self._ticker, silence) if each is not None]
        draft = Draft(
            state,
            self.step + 1,
            max([state.time, *(each.time for each in times)]),
            0 if market is None else market.time,
            None if market is None else market.price,
            causes=[] if added is None else [added],
            link_latency=None if self._ticker is None else link_latency(self._ticker),
        )
        draft.causes += times
        if added is not None:
            draft.touch()
        return draft

    def _recenter(self, draft: Draft, market: Market) -> None:
        """Set the anchor at the first price, then move the center and the stride to the market."""
        state = draft.state
        if self._lattice is None:
            draft.touch()
            state.anchor = first_anchor(market.price, state.instrument.tick_size)
            state.accounts.first_price, state.accounts.first_time = market.price, draft.time
            state.booked_through = draft.time
            self._lattice = Lattice(state.anchor, state.settings, state.instrument)
        stride = volatility.stride(state, self._lattice)
        center = self._lattice.nearest(
            bounded(state.settings, inventory_skew.reference(state, market.price)), stride
        )
        if (center, stride) != (state.center, state.stride):
            draft.touch()
            state.center, state.stride = center, stride

    def _advance_startup(self, draft: Draft, market: Market) -> None:
        assert self._lattice is not None
        if draft.state.startup is not None:
            startup.advance(draft, draft.state.startup, self._lattice, market.price)
            self._recenter(draft, market)  # an adopted position may skew the center

    def _plan(self, draft: Draft, market: Market | None) -> Plan:
        if self._lattice is None or market is None:
            return Plan([], [], depends_on_price=True)
        is_halted = blocking.halted_by(draft.state) is not None
        orders = (
            halt.plan(draft.state, market, draft.time)
            if is_halted
            else plan(draft.state, self._lattice, market, draft.time)
        )
        return orders if draft.state.resync is None else orders._replace(quotes=[])

    def _finish(self, draft: Draft, market: Market | None, orders: Plan) -> None:
        state = draft.state
        for each in orders.cancels:
            advance(draft, each.order, Progress.CANCEL_DECIDED)
            draft.decide(cancel(each.order.client_order_id, each.reason, each.figures))
        for quote in orders.quotes:
            _place(draft, quote)
        if market is not None:
            state.price, state.bid, state.ask, state.price_time = market
        state.time = draft.time
        if state.price is not None:
            remember_peak(state, state.price)
        if draft.fills:
            state.last_fill_step = draft.step
        drop_idle_slots(state)
        quoting_record.record(draft, self._lattice)
        self._ticker, self._band = None, None

    def _change(self, draft: Draft) -> Change:
        evaluations = [*self._held, draft.causes]
        self._held = []
        self.step = draft.step
        return Change(
            step=draft.step,
            causes=tuple(chain.from_iterable(evaluations)),
            boundaries=tuple(accumulate(map(len, evaluations[:-1]))),
            decisions=tuple(draft.decisions),
            fills=tuple(draft.fills),
            notices=tuple(draft.notices),
            time=draft.time,
        )

    def _no_action_band(self, draft: Draft, orders: Plan) -> NoActionBand | None:
        state = draft.state
        if self._lattice is None or orders.depends_on_price or state.startup is not None:
            return None
        if blocking.depends_on_ticks(state) or grid_stops.is_set(state):
            return None
        ends = [slot.quiet_until for slot in state.slots.values() if slot.quiet_until > draft.time]
        ends += blocking.expiries(state)
        ends += pending.expiries(state)
        ends += refused_cancels.expiries(state)
        low, high = self._lattice.bounds(state.center, state.stride)
        skewed = state if inventory_skew.is_skewed(state) else None
        return NoActionBand(low, high, min(ends, default=NEVER), skewed)

    def _is_in_band(self, event: Input, band: NoActionBand) -> bool:
        if not isinstance(event, Ticker) or event.time >= band.until:
            return False
        price = market_of(event).price
        if band.skewed is not None:
            price = inventory_skew.reference(band.skewed, price)
        if not band.low <= price < band.high:
            return False
        self._ticker = event
        return True


def first_anchor(price: Price, tick: Price) -> Price:
    """Return the anchor for the first price seen: the nearest tick, above zero."""
    rounded = ((price / tick).to_integral_value(ROUND_HALF_UP) * tick).quantize(tick)
    return max(rounded, tick)


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
        post_only=quote.post_only,
        pools=quote.pools,
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
            reason_code=quote.reason,
        )
    )


def _first_state(added: SymbolAdded) -> GridState:
    # `added.time` is a wall clock's; market time starts with the first ticker.
    return GridState(
        venue=added.venue,
        symbol=added.symbol,
        instance=added.instance,
        generation=added.generation,
        settings=added.settings,
        instrument=added.instrument,
        startup=startup.startup_of(added.settings),
        earlier=added.earlier,
        quoting=QuotingRecord(reason=NotQuoting.NO_PRICE),
    )


def _lattice_of(state: GridState | None) -> Lattice | None:
    if state is None or state.anchor is None:
        return None
    return Lattice(state.anchor, state.settings, state.instrument)


def _is_holdable(draft: Draft) -> bool:
    """Return whether an evaluation only applied order reports to the state; it may also have used a newer price."""
    has_output = draft.decisions or draft.fills or draft.notices
    return not has_output and all(isinstance(each, OrderReport | Ticker) for each in draft.causes)


def _newest_ticker(inputs: Sequence[Input]) -> Ticker | None:
    tickers = (each for each in reversed(inputs) if isinstance(each, Ticker))
    return next((each for each in tickers if market_of(each).price > 0), None)


def _newest_silence(inputs: Sequence[Input]) -> TimePassed | None:
    return next((each for each in reversed(inputs) if isinstance(each, TimePassed)), None)
