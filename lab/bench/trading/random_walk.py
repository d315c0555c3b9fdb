"""Inputs, changes and steps of a grid on a seeded random walk, computed by the real core."""

import random
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from engine.core.grid import Grid
from engine.core.step import Change
from lab.bench.instruments import INSTRUMENT, START_PRICE, SYMBOL, TICK_SIZE, VENUE
from schemas.engine.journal import Input, Step, StreamOffset, SymbolAdded
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import GridState
from schemas.units import MILLISECOND_NS, ZERO, ClientOrderId, Symbol, TimeNs, TradeId
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder, Decision, OrderReport, OrderStatus, PlaceOrder, Trade

WARM_UP_TICKS = 500


class ProcessedInput(NamedTuple):
    """An input of the core, and the change it caused."""

    event: Input
    change: Change | None
    state: GridState | None
    """The grid's own, mutable state: encode it before taking the next input."""


def process_inputs(ticks: int, seed: int = 1) -> Iterator[ProcessedInput]:
    """Yield the inputs of a random walk of `ticks` tickers, each processed by the core."""
    grid = Grid(None, 0)
    for event in inputs(ticks, seed):
        change = grid.process((event,))
        yield ProcessedInput(event, change, grid.state)


def inputs(ticks: int, seed: int) -> Iterator[Input]:
    """Yield the inputs of a grid that trades at a venue which fills every order the price reaches."""
    grid = Grid(None, 0)
    open_orders: dict[ClientOrderId, PlaceOrder] = {}
    yield from _apply(grid, open_orders, _symbol_added(), 0)
    rng = random.Random(seed)
    price = START_PRICE
    for index in range(ticks):
        price += TICK_SIZE * round(rng.gauss(0, 40))
        now = (index + 1) * 100 * MILLISECOND_NS
        reached = [order for order in open_orders.values() if (price - order.price) * order.side.sign <= 0]
        for order in reached:
            del open_orders[order.client_order_id]
            for event in _fill(order, now):
                yield from _apply(grid, open_orders, event, now)
        yield from _apply(grid, open_orders, _ticker(price, now), now)


def build_step(
    change: Change, state: GridState, offsets: dict[str, StreamOffset], published_through: int
) -> Step:
    """Return the journal record of a change, as an engine commits it."""
    return Step(
        venue=VENUE,
        symbol=SYMBOL,
        step=change.step,
        epoch=1,
        offsets=offsets,
        causes=change.causes,
        state=state,
        decisions=change.decisions,
        fills=change.fills,
        notices=change.notices,
        published_through=published_through,
        time=change.time,
    )


@lru_cache(maxsize=1)
def realistic_step() -> Step:
    """Return the last step with decisions among those of `WARM_UP_TICKS` tickers."""
    newest: ProcessedInput | None = None
    for processed in process_inputs(WARM_UP_TICKS):
        if processed.change is not None and processed.change.decisions:
            newest = processed
    assert newest is not None
    assert newest.change is not None
    assert newest.state is not None
    return build_step(newest.change, newest.state, {}, 0)


def acknowledge(symbol: Symbol, decision: Decision, now: TimeNs) -> OrderReport | None:
    """Return the venue's report on a decision: order placed, or canceled; None for other decisions."""
    match decision:
        case PlaceOrder():
            return _report(symbol, decision.client_order_id, OrderStatus.NEW, ZERO, now)
        case CancelOrder():
            return _report(symbol, decision.client_order_id, OrderStatus.CANCELED, ZERO, now)
    return None


def _apply(
    grid: Grid, open_orders: dict[ClientOrderId, PlaceOrder], event: Input, now: TimeNs
) -> Iterator[Input]:
    """Yield an input, and the venue's reports on the decisions it leads to."""
    yield event
    change = grid.process((event,))
    for decision in change.decisions if change else ():
        report = _execute(open_orders, decision, now)
        if report is not None:
            yield from _apply(grid, open_orders, report, now)


def _execute(
    open_orders: dict[ClientOrderId, PlaceOrder], decision: Decision, now: TimeNs
) -> OrderReport | None:
    match decision:
        case PlaceOrder():
            open_orders[decision.client_order_id] = decision
        case CancelOrder() if open_orders.pop(decision.client_order_id, None) is None:
            return None
    return acknowledge(SYMBOL, decision, now)


def _fill(order: PlaceOrder, now: TimeNs) -> tuple[Input, Input]:
    trade = Trade(
        venue=VENUE,
        symbol=SYMBOL,
        trade_id=TradeId(f"t{order.client_order_id}"),
        client_order_id=order.client_order_id,
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        fee=order.price * order.quantity * Decimal("0.0002"),
        fee_asset="USDT",
        is_maker=True,
        time=now,
    )
    return trade, _report(SYMBOL, order.client_order_id, OrderStatus.FILLED, order.quantity, now)


def _report(
    symbol: Symbol,
    client_order_id: ClientOrderId,
    status: OrderStatus,
    cumulative_quantity: Decimal,
    now: TimeNs,
) -> OrderReport:
    return OrderReport(
        venue=VENUE,
        symbol=symbol,
        client_order_id=client_order_id,
        status=status,
        cumulative_quantity=cumulative_quantity,
        time=now,
    )


def _ticker(price: Decimal, now: TimeNs) -> Ticker:
    return Ticker(venue=VENUE, symbol=SYMBOL, bid=price - TICK_SIZE, ask=price, last=price, time=now)


def _symbol_added() -> SymbolAdded:
    return SymbolAdded(
        venue=VENUE,
        symbol=SYMBOL,
        instance="bch",
        generation=1,
        settings=GridSettings(
            mode=GridMode.NEUTRAL, order_amount=Decimal(100), interval_ratio=Decimal("0.001")
        ),
        instrument=INSTRUMENT,
        time=0,
    )
