"""Closing orders: one for each slot that holds something, or one for several that hold less than the venue's minimum."""

from collections.abc import Sequence

from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import is_working
from engine.core.quoting.quotes import (
    Market,
    Quote,
    closable_at_venue,
    closing_left,
    closing_quote,
    is_closable,
    is_closing_in_window,
)
from schemas.grid.settings import GridMode
from schemas.grid.state import GridState, Slot
from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.instruments import InstrumentKind

Small = tuple[Slot, Quote]
"""A slot whose closing order would be below the venue's minimum."""


def closings(state: GridState, lattice: Lattice, market: Market, now: TimeNs) -> tuple[list[Quote], bool]:
    """Return the closing orders to place, and whether a tick may allow more: one is outside the venue's price band."""
    quotes: list[Quote] = []
    small: list[Small] = []
    depends_on_price = False
    for level in sorted(state.slots):
        slot = state.slots[level]
        is_free = slot.order is None and slot.quiet_until <= now
        if not (is_free and slot.held and is_closing_in_window(state, slot)):
            continue
        quote = closing_quote(state, lattice, slot)
        if not state.instrument.accepts_price(quote.side, quote.price, market.price):
            depends_on_price = True
        elif is_closable(state, quote):
            quotes.append(quote)
        else:
            small.append((slot, quote))
    quotes += [pooled for side in Side if (pooled := _pooled(state, small, side)) is not None]
    for side in Side:
        if _pooled_elsewhere(state, side):
            quotes = _cut(state, quotes, side, _held(state, side) - closing_left(state, side), market)
    left = closable_at_venue(state, Side.SELL) if state.instrument.kind is InstrumentKind.SPOT else None
    if left is not None:
        quotes = _cut(state, quotes, Side.SELL, left, market)
    return quotes, depends_on_price


def closing_lines(state: GridState, lattice: Lattice) -> frozenset[tuple[Side, Price]]:
    """Return side and price of each closing order, out or in the window: nothing is opened there.

    With two orders on one line, a price that bounces between two lines would open on the other side of flat.
    """
    if state.settings.mode is GridMode.LONG:
        return frozenset()  # it opens on one side and closes on the other
    lines = set()
    for slot in state.slots.values():
        order = slot.order
        if order is not None and not order.opens and is_working(order):
            lines.add((order.side, order.price))
        elif slot.held and is_closing_in_window(state, slot):
            quote = closing_quote(state, lattice, slot)
            if is_closable(state, quote):
                lines.add((quote.side, quote.price))
    return frozenset(lines)


def _pooled(state: GridState, small: Sequence[Small], side: Side) -> Quote | None:
    """Return one order for the small slots of a side, at the best of their closing prices; None if it is too small."""
    found = [each for each in small if each[1].side is side]
    if len(found) < 2:
        return None
    held = sum((state.instrument.closable(slot.held) for slot, _ in found), ZERO)
    _, best = max(found, key=lambda each: -side.sign * each[1].price)
    quantity = state.instrument.order_quantity(held - _pooled_elsewhere(state, side), best.price)
    quote = best._replace(quantity=quantity, pools=True)
    return quote if is_closable(state, quote) else None


def _pooled_elsewhere(state: GridState, side: Side) -> Quantity:
    """Return what orders that are out close beyond their own slots."""
    total = ZERO
    for slot in state.slots.values():
        order = slot.order
        if order is not None and order.pools and order.side is side:
            own = abs(slot.held) if slot.held * side.sign < 0 else ZERO
            total += max(order.quantity - order.traded_quantity - own, ZERO)
    return total


def _held(state: GridState, side: Side) -> Quantity:
    """Return what orders of a side may close."""
    return sum((abs(each.held) for each in state.slots.values() if each.held * side.sign < 0), ZERO)


def _cut(state: GridState, quotes: list[Quote], side: Side, left: Quantity, market: Market) -> list[Quote]:
    """Cut the orders of a side to a quantity in total, the nearest to the price first."""
    found = []
    for quote in sorted(quotes, key=lambda each: (abs(each.price - market.price), each.level)):
        if quote.side is not side:
            found.append(quote)
            continue
        quantity = state.instrument.order_quantity(min(quote.quantity, max(left, ZERO)), quote.price)
        cut = quote._replace(quantity=quantity)
        if is_closable(state, cut):
            left -= cut.quantity
            found.append(cut)
    return found
