"""The open orders of one market: the venue's listings joined, by sequence, with the reports in ORDERS."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.orders import OrderReport, OrderStatus, Trade

MAX_ENDED_ORDERS = 5000
"""Ended orders remembered, so that a late report does not reopen one."""

NOT_LISTED = "no longer open at the venue"


@dataclass(frozen=True, slots=True)
class Order:
    """The known state of one order. It is displayed once side, price and quantity are known."""

    id: str
    status: OrderStatus = OrderStatus.NEW
    """`NEW` until the order has ended; `filled` shows partial fills."""
    side: Side | None = None
    price: Price | None = None
    quantity: Quantity | None = None
    filled: Quantity = ZERO
    traded: Quantity = ZERO
    """Sum of the trades received; at most `filled`."""
    reduce_only: bool = False
    time: TimeNs = 0
    """Earliest time in any report or listing of the order; 0 if none has one."""
    sequence: int = 0
    """ORDERS sequence of the newest event; 0 if the order is known from a listing only."""
    detail: str = ""
    """Text of the newest report, or why the order ended."""

    @property
    def is_complete(self) -> bool:
        return self.side is not None and self.price is not None and self.quantity is not None


class OpenOrderFold:
    """Folds listings of open orders, order reports and trades.

    Each `apply` method returns the orders whose displayed fields changed. An order is opened by its first report or
    by a listing, and ended by a terminal report or by a listing without it that includes all its events
    (`OpenOrders.includes` is an ORDERS sequence). Late reports do not reopen an ended order; a listing reopens one
    that had ended by absence only.
    """

    def __init__(self) -> None:
        self._open: dict[str, Order] = {}
        self._ended: OrderedDict[str, OrderStatus | None] = OrderedDict()
        """Final status by order id; None for an order that was missing in a listing."""
        self._includes = 0

    def displayed(self) -> list[Order]:
        """Return the open orders with complete data, by ascending price."""
        return sorted((o for o in self._open.values() if o.is_complete), key=lambda o: (o.price, o.id))

    def apply_listing(self, listing: OpenOrders) -> list[Order]:
        """Apply a listing of all open orders."""
        self._includes = listing.includes
        listed = {order_key(order.client_order_id, order.venue_order_id): order for order in listing.orders}
        gone = [o for o in self._open.values() if o.id not in listed and o.sequence <= listing.includes]
        changed = [self._end(replace(o, status=OrderStatus.CANCELED, detail=NOT_LISTED), None) for o in gone]
        for key, order in listed.items():
            if self._ended.get(key) is None:
                self._ended.pop(key, None)
                changed += self._put(_with_listed(order, key, self._open.get(key)))
        return changed

    def apply_report(self, report: OrderReport, sequence: int) -> list[Order]:
        """Apply an order report; `sequence` is its number in ORDERS."""
        key = order_key(report.client_order_id, report.venue_order_id)
        known = self._open.get(key)
        order = _with_report(report, known or Order(id=key), sequence)
        if report.status.is_terminal:
            return self._apply_end(order, known)
        if key in self._ended or (known is None and sequence <= self._includes):
            return []
        return self._put(order)

    def apply_trade(self, trade: Trade, sequence: int) -> list[Order]:
        """Apply an own trade, which must not be a repeated one: `filled` is at least the sum of the trades."""
        order = self._open.get(order_key(trade.client_order_id, trade.venue_order_id))
        if order is None or sequence <= self._includes:
            return []
        traded = order.traded + trade.quantity
        filled = max(order.filled, traded)
        return self._put(replace(order, traded=traded, filled=filled, sequence=sequence))

    def _apply_end(self, order: Order, known: Order | None) -> list[Order]:
        if self._ended.get(order.id) is not None:
            return []
        self._end(order, order.status)
        return [order] if known is not None or order.is_complete else []

    def _put(self, order: Order) -> list[Order]:
        before = self._open.get(order.id)
        self._open[order.id] = order
        is_changed = before is None or _displayed_fields(before) != _displayed_fields(order)
        return [order] if is_changed and order.is_complete else []

    def _end(self, order: Order, status: OrderStatus | None) -> Order:
        self._open.pop(order.id, None)
        self._ended[order.id] = status
        if len(self._ended) > MAX_ENDED_ORDERS:
            self._ended.popitem(last=False)
        return order


def order_key(client_order_id: str, venue_order_id: str) -> str:
    """Return the id of an order: the client's, or the venue's for an order placed by hand."""
    return client_order_id or venue_order_id


def _with_listed(listed: OpenOrder, key: str, known: Order | None) -> Order:
    order = known or Order(id=key)
    return replace(
        order,
        side=listed.side,
        price=listed.price,
        quantity=listed.quantity,
        filled=max(order.filled, listed.cumulative_quantity),
        reduce_only=listed.reduce_only,
        time=_earliest(order.time, listed.time),
    )


def _with_report(report: OrderReport, order: Order, sequence: int) -> Order:
    return replace(
        order,
        status=report.status if report.status.is_terminal else order.status,
        side=report.side or order.side,
        price=order.price if report.price is None else report.price,
        quantity=order.quantity if report.quantity is None else report.quantity,
        filled=max(order.filled, report.cumulative_quantity),
        time=_earliest(order.time, report.time),
        sequence=max(order.sequence, sequence),
        detail=report.detail,
    )


def _displayed_fields(order: Order) -> Order:
    return replace(order, sequence=0, traded=ZERO)


def _earliest(time: TimeNs, other: TimeNs) -> TimeNs:
    return min(time, other) or max(time, other)
