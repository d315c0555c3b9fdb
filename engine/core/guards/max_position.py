"""Position limit of one grid: the most that a side may hold, together with its opening orders.

What is held counts at its cost, an order at its value, both in quote: neither depends on the price. The sides are separate:
what a neutral grid holds short leaves no more room for its buys. The gateway checks the same limit before it sends an order.
"""

from decimal import Decimal
from typing import assert_never

from engine.core.guards.circuit_breaker import side_window
from schemas.grid.settings import GridSettings, PositionLimit, PositionUnit
from schemas.grid.state import GridState, SlotOrder
from schemas.units import ZERO, Money, Ratio, Side


def maximum(state: GridState, side: Side) -> Money | None:
    """Return the limit of a side in quote; None without one. A share of a balance that is unknown is 0."""
    if state.settings.max_position is None:
        return None
    notional, ratio = side_limit(state.settings, side)
    return notional + ratio * (state.balance or ZERO)


def committed(settings: GridSettings) -> tuple[Money, Ratio]:
    """Return the most that a side may hold, as an amount in quote and a ratio of the balance, of which one is 0.

    Without a limit that is a full window: it bounds the open orders at least.
    """
    return max(side_limit(settings, side) for side in Side)


def side_limit(settings: GridSettings, side: Side) -> tuple[Money, Ratio]:
    """Return the limit of a side as an amount in quote and a ratio of the balance, of which one is 0; see `committed`."""
    limit = settings.max_position or PositionLimit(value=Decimal(1), unit=PositionUnit.WINDOWS)
    match limit.unit:
        case PositionUnit.WINDOWS:
            return limit.value * side_window(settings, side) * settings.order_amount, ZERO
        case PositionUnit.LEVELS:
            return limit.value * settings.order_amount, ZERO
        case PositionUnit.QUOTE:
            return limit.value, ZERO
        case PositionUnit.BALANCE:
            return ZERO, limit.value
        case _:
            assert_never(limit.unit)


def held(state: GridState, side: Side) -> Money:
    """Return what the slots of a side hold, at its cost: long for buys, short for sells. Missing trades are included."""
    slots = (abs(slot.cost) for slot in state.slots.values() if slot.held * side.sign > 0)
    return sum(slots, ZERO) + missing(state, side)


def missing(state: GridState, side: Side) -> Money:
    """Return the value of what ended opening orders of a side have traded without a trade having arrived."""
    values = (
        max(each.reported_quantity - each.traded_quantity, ZERO) * each.price
        for each in _opening(state, side)
        if each.ended is not None
    )
    return sum(values, ZERO)


def remaining(order: SlotOrder) -> Money:
    """Return the value of what an order may still trade."""
    return max(order.quantity - order.traded_quantity, ZERO) * order.price


def used(state: GridState, side: Side) -> Money:
    """Return what the slots of a side hold, with every opening order that may still trade."""
    working = (remaining(each) for each in _opening(state, side) if each.ended is None)
    return held(state, side) + sum(working, ZERO)


def _opening(state: GridState, side: Side) -> list[SlotOrder]:
    orders = [slot.order for slot in state.slots.values() if slot.order is not None]
    return [each for each in orders if each.opens and each.side is side]
