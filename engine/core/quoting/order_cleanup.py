"""Order cleanup: at the order limit, cancel far opening orders to make room for closing and nearer ones.

At most as many are canceled as orders wait for room, and none that the next plan would place again. Partially filled
orders are never canceled.
"""

from collections.abc import Sequence

from engine.core.orders.slots import is_working
from schemas.grid.state import GridState, SlotOrder
from schemas.units import Price, Side


def select_cleanup(state: GridState, price: Price, waiting: Sequence[Price]) -> list[SlotOrder]:
    """Return the opening orders to cancel, farthest from the price first, of the side that has more orders.

    `waiting` has the distance from the price of each order that waits for room; 0 for a closing order.
    """
    orders = [slot.order for slot in state.slots.values() if slot.order and slot.order.ended is None]
    ending = sum(not is_working(order) for order in orders)
    number = min(state.settings.cleanup_batch_size, len(waiting)) - ending
    if number <= 0:
        return []
    eligible = [each for each in orders if _is_eligible(each, _larger_side(orders))]
    eligible.sort(key=lambda order: (-abs(order.price - price), order.price))
    pairs = zip(eligible, sorted(waiting)[ending:], strict=False)
    return [order for order, distance in pairs if abs(order.price - price) > distance][:number]


def _is_eligible(order: SlotOrder, side: Side) -> bool:
    is_untouched = not order.traded_quantity and not order.reported_quantity
    return order.opens and order.side is side and is_working(order) and is_untouched


def _larger_side(orders: Sequence[SlotOrder]) -> Side:
    buys = sum(order.side is Side.BUY for order in orders)
    return Side.BUY if 2 * buys >= len(orders) else Side.SELL
