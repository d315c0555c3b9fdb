"""Cancels: why the order of a slot does not stay."""

from collections.abc import Container
from typing import NamedTuple

from engine.core.blocking import blocked_by
from engine.core.decisions import figures
from engine.core.guards.circuit_breaker import windows
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import is_working
from engine.core.quoting.quotes import (
    Market,
    bounded,
    closing_left,
    closing_quote,
    is_closable,
    is_closing_in_window,
)
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.units import ZERO, Figures, Price, Side
from schemas.venue.decision_reasons import DecisionReason


class Cancel(NamedTuple):
    """An order to cancel, the reason, and the figures behind it."""

    order: SlotOrder
    reason: DecisionReason
    figures: Figures | None = None


def cancel_of(
    state: GridState,
    lattice: Lattice,
    market: Market,
    slot: Slot,
    order: SlotOrder,
    lines: Container[tuple[Side, Price]] = (),
) -> Cancel | None:
    """Return the cancel of a slot's order, None if the order stays. `lines` are those of the closing orders."""
    if not is_working(order):
        return None
    if order.opens:
        if (order.side, order.price) in lines:
            return Cancel(order, DecisionReason.CLOSES_HERE, figures(order_price=order.price))
        return _cancel_of_opening(state, lattice, market, slot, order)
    return _cancel_of_pooled(state, order) if order.pools else _cancel_of_closing(state, slot, order)


def _cancel_of_closing(state: GridState, slot: Slot, order: SlotOrder) -> Cancel | None:
    left = order.quantity - order.traded_quantity
    if slot.held * order.side.sign >= 0:
        return Cancel(order, DecisionReason.NOTHING_LEFT_TO_CLOSE)
    if left > abs(slot.held):
        found = figures(order_left_base=left, held_base=abs(slot.held))
        return Cancel(order, DecisionReason.MORE_THAN_IS_LEFT, found)
    if not is_closing_in_window(state, slot):
        return Cancel(order, DecisionReason.OUTSIDE_WINDOW, figures(center=state.center))
    return None


def _cancel_of_pooled(state: GridState, order: SlotOrder) -> Cancel | None:
    held = sum((abs(slot.held) for slot in state.slots.values() if slot.held * order.side.sign < 0), ZERO)
    if not held:
        return Cancel(order, DecisionReason.NOTHING_LEFT_TO_CLOSE)
    left = closing_left(state, order.side)
    if left > held:
        found = figures(orders_left_base=left, held_base=held)
        return Cancel(order, DecisionReason.MORE_THAN_IS_LEFT, found)
    return None


def _cancel_of_opening(
    state: GridState, lattice: Lattice, market: Market, slot: Slot, order: SlotOrder
) -> Cancel | None:
    guard = blocked_by(state)
    if guard is not None:
        return Cancel(order, DecisionReason(guard.value))
    if slot.level % state.stride:
        return Cancel(order, DecisionReason.BETWEEN_LEVELS, figures(stride=state.stride))
    bound = bounded(state.settings, order.price)
    if bound != order.price:
        return Cancel(order, DecisionReason.OUT_OF_BOUNDS, figures(order_price=order.price, bound=bound))
    # Only beyond the far edge: an order that the price has reached is about to be filled.
    window = windows(state)
    beyond = (state.center - slot.level) if order.side is Side.BUY else (slot.level - state.center)
    levels = window.buy if order.side is Side.BUY else window.sell
    if beyond > levels * state.stride:
        return Cancel(order, DecisionReason.OUTSIDE_WINDOW, figures(center=state.center, levels=levels))
    if slot.held and market.time > order.traded_time:
        closing = closing_quote(state, lattice, slot)
        is_reached = (market.price - closing.price) * closing.side.sign <= 0
        if is_reached and is_closable(state, closing):
            found = figures(price=market.price, close_price=closing.price)
            return Cancel(order, DecisionReason.CLOSE_PRICE_REACHED, found)
    return None
