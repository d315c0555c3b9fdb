"""`bench engine`: what the core does in a second on one core, beside the cost of decoding the same events alone.

The events are those of a grid on a seeded random walk: tickers, and the reports and trades of the orders that it places.
Every ticker counts, also those that change nothing, as on a real feed.
"""

import random
import time
from collections.abc import Iterator
from decimal import Decimal

from engine.core.grid import Grid
from lab.bench.report import Report, machine
from schemas.codec import decode, encode
from schemas.engine.journal import Input, SymbolAdded
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import MILLISECOND_NS, ClientOrderId, Symbol, TimeNs, TradeId, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder, Decision, OrderReport, OrderStatus, PlaceOrder, Trade

VENUE = VenueId("sim")
SYMBOL = Symbol("BTC/USDT:USDT")
TICK = Decimal("0.1")
START = Decimal(60000)
INSTRUMENT = Instrument(
    venue=VENUE,
    symbol=SYMBOL,
    kind=InstrumentKind.LINEAR_PERPETUAL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=TICK,
    lot_size=Decimal("0.0001"),
    minimum_quantity=Decimal("0.0001"),
    minimum_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    maximum_leverage=Decimal(20),
)


def run(ticks: int = 200_000, seed: int = 1) -> Report:
    """Measure the core over `ticks` tickers and what they lead to."""
    bodies = [encode(event) for event in events(ticks, seed)]
    decoding_s = _time_decoding(bodies)
    both_s, steps, fills = _time_core(bodies)
    core_s = both_s - decoding_s
    return Report(
        name="engine",
        machine=machine(),
        figures={
            "inputs": len(bodies),
            "steps": steps,
            "fills": fills,
            "inputs_per_s": len(bodies) / core_s,
            "steps_per_s": steps / core_s,
            "core_us_per_input": core_s / len(bodies) * 1e6,
        },
        baselines={
            "decoding_alone_inputs_per_s": len(bodies) / decoding_s,
            "decoding_alone_us_per_input": decoding_s / len(bodies) * 1e6,
        },
        ratios={"core_to_decoding_time": core_s / decoding_s},
    )


def _time_decoding(bodies: list[bytes]) -> float:
    started = time.perf_counter()
    for body in bodies:
        decode(body)
    return time.perf_counter() - started


def _time_core(bodies: list[bytes]) -> tuple[float, int, int]:
    grid = Grid(None, 0)
    fills = 0
    started = time.perf_counter()
    for body in bodies:
        event = decode(body)
        assert isinstance(event, Input)
        change = grid.process((event,))
        if change is not None:
            fills += len(change.fills)
    return time.perf_counter() - started, grid.step, fills


def events(ticks: int, seed: int) -> Iterator[Input]:
    """Yield what a grid hears, by letting one trade against a venue that fills whatever the price reaches."""
    grid = Grid(None, 0)
    book: dict[ClientOrderId, PlaceOrder] = {}
    yield from _hear(grid, book, _added(), 0)
    chance = random.Random(seed)
    price = START
    for index in range(ticks):
        price += TICK * round(chance.gauss(0, 40))
        now = (index + 1) * 100 * MILLISECOND_NS
        for order in [order for order in book.values() if (price - order.price) * order.side.sign <= 0]:
            del book[order.client_order_id]
            for event in _filled(order, now):
                yield from _hear(grid, book, event, now)
        yield from _hear(grid, book, _ticker(price, now), now)


def _hear(grid: Grid, book: dict[ClientOrderId, PlaceOrder], event: Input, now: TimeNs) -> Iterator[Input]:
    yield event
    change = grid.process((event,))
    for decision in change.decisions if change else ():
        answer = _answer(book, decision, now)
        if answer is not None:
            yield from _hear(grid, book, answer, now)


def _answer(book: dict[ClientOrderId, PlaceOrder], decision: Decision, now: TimeNs) -> OrderReport | None:
    match decision:
        case PlaceOrder():
            book[decision.client_order_id] = decision
            return _report(decision.client_order_id, OrderStatus.NEW, Decimal(0), now)
        case CancelOrder() if book.pop(decision.client_order_id, None):
            return _report(decision.client_order_id, OrderStatus.CANCELED, Decimal(0), now)
    return None


def _filled(order: PlaceOrder, now: TimeNs) -> tuple[Input, Input]:
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
    return trade, _report(order.client_order_id, OrderStatus.FILLED, order.quantity, now)


def _report(
    client_order_id: ClientOrderId, status: OrderStatus, cumulative: Decimal, now: TimeNs
) -> OrderReport:
    return OrderReport(
        venue=VENUE,
        symbol=SYMBOL,
        client_order_id=client_order_id,
        status=status,
        cumulative_quantity=cumulative,
        time=now,
    )


def _ticker(price: Decimal, now: TimeNs) -> Ticker:
    return Ticker(venue=VENUE, symbol=SYMBOL, bid=price - TICK, ask=price, last=price, time=now)


def _added() -> SymbolAdded:
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
