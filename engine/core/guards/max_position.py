"""Position limit of one grid: the most that a side may hold, together with its opening orders.

What is held counts at its cost, an order at its value, both in quote: neither depends on the price. The sides are separate:
what a neutral grid holds short leaves no more room for its buys. The gateway checks the same limit before it sends an order.
"""

from typing import assert_never

from engine.core.guards.circuit_breaker import side_window
from schemas.grid.settings import PositionUnit
from schemas.grid.state import GridState, SlotOrder
from schemas.units import ZERO, Money, Side


def maximum(state: GridState, side: Side) -> Money | None:
    """Return the limit of a side in quote; None without one. A share of a balance that is unknown is 0."""
    limit, amount = state.settings.max_position, state.settings.order_amount
    if limit is None:
        return None
    match limit.unit:
        case PositionUnit.WINDOWS:
            return limit.value * side_window(state.settings, side) * amount
        case PositionUnit.LEVELS:
            return limit.value * amount
        case PositionUnit.QUOTE:
            return limit.value
        case PositionUnit.BALANCE:
            return limit.value * (state.balance or ZERO)
        case _:
            assert_never(limit.unit)


def held(state: GridState, side: Side) -> Money:
    """Return what the slots of a side hold, at its cost: long for buys, short for sells."""
    return sum((abs(slot.cost) for slot in state.slots.values() if slot.held * side.sign > 0), ZERO)


def remaining(order: SlotOrder) -> Money:
    """Return the value of what an order may still trade."""
    return max(order.quantity - order.traded_quantity, ZERO) * order.price


def used(state: GridState, side: Side) -> Money:
    """Return what the slots of a side hold, with every opening order that may still trade."""
    orders = [slot.order for slot in state.slots.values() if slot.order is not None]
    working = (remaining(each) for each in orders if each.opens and each.side is side and each.ended is None)
    return held(state, side) + sum(working, ZERO)
