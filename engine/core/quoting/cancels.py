"""Cancels: why the order of a slot does not stay."""

from collections.abc import Container
from typing import NamedTuple

from engine.core.blocking import blocked_by
from engine.core.decisions import figures, seconds
from engine.core.guards.circuit_breaker import is_half_open, windows
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import is_working
from engine.core.quoting.quotes import (
    Market,
    bounded,
    closing_left,
    closing_quote,
    is_closable,
    is_closing_in_window,
    is_unprofitable,
)
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Figures, Price, Side, SignedQuantity, TimeNs
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
    now: TimeNs,
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
        return _cancel_of_opening(state, lattice, market, now, slot, order)
    return _cancel_of_pooled(state, order) if order.pools else _cancel_of_closing(state, slot, order)


def _cancel_of_closing(state: GridState, slot: Slot, order: SlotOrder) -> Cancel | None:
    left = order.quantity - order.traded_quantity
    if slot.held * order.side.sign >= 0:
        return Cancel(order, DecisionReason.NOTHING_LEFT_TO_CLOSE)
    if left > abs(slot.held):
        found = figures(order_left_base=left, held_base=abs(slot.held))
        return Cancel(order, DecisionReason.MORE_THAN_IS_LEFT, found)
    if not is_closing_in_window(state, slot, state.settings.window_slack):
        return Cancel(order, DecisionReason.OUTSIDE_WINDOW, figures(center=state.center))
    return None


def reducing_side(state: GridState) -> Side | None:
    """Return the side of orders that reduce the position, None while it is flat."""
    position = state.accounts.position
    return None if not position else Side.SELL if position > 0 else Side.BUY


def reducible(state: GridState, through: Price | None = None) -> SignedQuantity:
    """Return what of the position is left when all working orders of the reducing side are filled; negative beyond it.

    Of opening orders, only those as near to the market as the price `through`, if it is given.
    """
    side, left = reducing_side(state), abs(state.accounts.position)
    for slot in state.slots.values():
        order = slot.order
        if order is None or order.side is not side or not is_working(order):
            continue
        is_nearer = through is None or (order.price - through) * order.side.sign >= 0
        if is_nearer or not order.opens:
            left -= order.quantity - order.traded_quantity
    return left


def _is_reducing(state: GridState, order: SlotOrder) -> bool:
    return order.side is reducing_side(state) and reducible(state, order.price) >= 0


def partial_expiry(state: GridState, order: SlotOrder) -> TimeNs | None:
    """Return when the rest of a partially filled opening order gives way to the closing order; None if never."""
    timeout = state.settings.partial_timeout
    return order.first_traded_time + timeout if timeout and order.first_traded_time else None


def partial_expiries(state: GridState, now: TimeNs) -> list[TimeNs]:
    """Return the times after `now` at which partially filled opening orders give way."""
    orders = [slot.order for slot in state.slots.values() if slot.order is not None and slot.held]
    ends = [partial_expiry(state, order) for order in orders if order.opens and is_working(order)]
    return [end for end in ends if end is not None and end > now]


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
    state: GridState, lattice: Lattice, market: Market, now: TimeNs, slot: Slot, order: SlotOrder
) -> Cancel | None:
    forbidden = _forbidden(state, market, order)
    if forbidden is not None:
        return Cancel(order, forbidden)
    if slot.level % state.stride:
        return Cancel(order, DecisionReason.BETWEEN_LEVELS, figures(stride=state.stride))
    bound = bounded(state.settings, order.price)
    if bound != order.price:
        return Cancel(order, DecisionReason.OUT_OF_BOUNDS, figures(order_price=order.price, bound=bound))
    # Only beyond the far edge: an order that the price has reached is about to be filled.
    window, slack = windows(state), 0 if is_half_open(state) else state.settings.window_slack
    beyond = (state.center - slot.level) if order.side is Side.BUY else (slot.level - state.center)
    levels = window.buy if order.side is Side.BUY else window.sell
    if beyond > (levels + slack) * state.stride:
        return Cancel(order, DecisionReason.OUTSIDE_WINDOW, figures(center=state.center, levels=levels))
    if is_unprofitable(state, lattice, slot.level, order.side):
        return Cancel(order, DecisionReason.BELOW_MIN_PROFIT, figures(stride=state.stride))
    return _cancel_of_partial(state, lattice, market, now, slot, order) if slot.held else None


def _forbidden(state: GridState, market: Market, order: SlotOrder) -> DecisionReason | None:
    guard = blocked_by(state)
    if guard is not None and not (guard is NotQuoting.EXPOSURE_LIMIT and _is_reducing(state, order)):
        return DecisionReason(guard.value)
    return DecisionReason.EMPTY_BOOK if market.is_empty else None


def _cancel_of_partial(
    state: GridState, lattice: Lattice, market: Market, now: TimeNs, slot: Slot, order: SlotOrder
) -> Cancel | None:
    closing = closing_quote(state, lattice, slot)
    if not is_closable(state, closing):
        return None
    is_reached = (market.price - closing.price) * closing.side.sign <= 0
    if is_reached and market.time > order.traded_time:
        found = figures(price=market.price, close_price=closing.price)
        return Cancel(order, DecisionReason.CLOSE_PRICE_REACHED, found)
    expiry = partial_expiry(state, order)
    if expiry is not None and now >= expiry:
        found = figures(held_base=abs(slot.held), since_s=seconds(now - order.first_traded_time))
        return Cancel(order, DecisionReason.PARTIAL_TIMEOUT, found)
    return None
