"""Opening orders within the position limit: the levels nearest to the center come first on each side."""

from collections.abc import Iterable
from typing import NamedTuple

from engine.core.guards import max_position
from engine.core.orders.slots import is_working
from schemas.grid.state import GridState, SlotOrder
from schemas.units import Money, Side


class WaitingOrder(NamedTuple):
    """An opening order that is not placed yet."""

    level: int
    side: Side
    value: Money
    """In quote."""


class Room:
    """What may still be opened on each side."""

    def __init__(self, state: GridState) -> None:
        limits = {side: max_position.maximum(state, side) for side in Side}
        self._left = {
            side: limit - max_position.used(state, side)
            for side, limit in limits.items()
            if limit is not None
        }

    def take(self, side: Side, value: Money) -> bool:
        """Return whether there is room for an order, and take it."""
        left = self._left.get(side)
        if left is None:
            return True
        if value > left:
            return False
        self._left[side] = left - value
        return True


def beyond_limit(
    state: GridState, waiting: Iterable[WaitingOrder], ending: Iterable[SlotOrder]
) -> list[SlotOrder]:
    """Return the working orders that leave no room for nearer ones, or exceed a limit that was lowered.

    `ending` are orders that are canceled anyway.
    """
    gone, found = {each.client_order_id for each in ending}, []
    waiting = list(waiting)
    for side in Side:
        limit = max_position.maximum(state, side)
        if limit is None:
            continue
        total = max_position.held(state, side)
        orders: list[tuple[int, Money, SlotOrder | None]] = [
            (slot.level, max_position.remaining(slot.order), slot.order)
            for slot in state.slots.values()
            if slot.order is not None
            and slot.order.opens
            and slot.order.side is side
            and is_working(slot.order)
            and slot.order.client_order_id not in gone
        ]
        orders += [(each.level, each.value, None) for each in waiting if each.side is side]
        for _, value, order in sorted(
            orders, key=lambda each: (abs(each[0] - state.center), each[2] is None)
        ):
            if total + value <= limit:
                total += value
            elif order is not None:
                found.append(order)
    return found
