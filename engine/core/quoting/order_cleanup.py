"""The cleaner: when as many orders are out as may be, far ones make room for closing orders and for nearer ones.

No more are canceled than there are orders waiting for room, and none that the next plan would place again. Orders that
were filled in part are never touched. Where nothing is eligible nothing happens.
"""

from collections.abc import Sequence

from engine.core.orders.slots import is_working
from schemas.grid.state import GridState, SlotOrder
from schemas.units import Price, Side


def in_the_way(state: GridState, price: Price, waiting: Sequence[Price]) -> list[SlotOrder]:
    """Return the orders to cancel, farthest first, for orders that wait for room at these distances from the price.

    They are opening orders of the side that has more of them; a closing order waits at distance 0.
    """
    orders = [slot.order for slot in state.slots.values() if slot.order and slot.order.ended is None]
    leaving = sum(not is_working(order) for order in orders)
    number = min(state.settings.cleanup_batch_size, len(waiting)) - leaving
    if number <= 0:
        return []
    eligible = [each for each in orders if _may_go(each, _larger_side(orders))]
    eligible.sort(key=lambda order: (-abs(order.price - price), order.price))
    pairs = zip(eligible, sorted(waiting)[leaving:], strict=False)
    return [order for order, distance in pairs if abs(order.price - price) > distance][:number]


def _may_go(order: SlotOrder, side: Side) -> bool:
    is_untouched = not order.traded_quantity and not order.reported_quantity
    return order.opens and order.side is side and is_working(order) and is_untouched


def _larger_side(orders: Sequence[SlotOrder]) -> Side:
    buys = sum(order.side is Side.BUY for order in orders)
    return Side.BUY if 2 * buys >= len(orders) else Side.SELL
