"""The open orders of one market: what a sweep found, joined by sequence with what ORDERS says after it."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.orders import OrderReport, OrderStatus, Trade

REMEMBERED = 5000
"""So many ended orders are known, so that a late report does not bring one back."""

NOT_LISTED = "no longer open at the venue"


@dataclass(frozen=True, slots=True)
class Order:
    """One order as far as it is known; it can be shown once side, price and quantity are."""

    id: str
    status: OrderStatus = OrderStatus.NEW
    """New until it has ended; how much of it has filled says the rest."""
    side: Side | None = None
    price: Price | None = None
    quantity: Quantity | None = None
    filled: Quantity = ZERO
    traded: Quantity = ZERO
    """The sum of the trades seen: what has filled may be more, never less."""
    reduce_only: bool = False
    time: TimeNs = 0
    """The earliest time that anything was said of it."""
    sequence: int = 0
    """Of the last thing that ORDERS said of it; 0 when only a sweep did."""
    detail: str = ""

    @property
    def is_complete(self) -> bool:
        return self.side is not None and self.price is not None and self.quantity is not None


class OpenOrderFold:
    """Folds sweeps, reports and trades. Each method returns the orders that a viewer has to hear of.

    An order appears with its first report and disappears with a terminal one, or when a sweep that includes all
    that was said of it does not find it. What has ended stays so, whatever is reported late.
    """

    def __init__(self) -> None:
        self._open: dict[str, Order] = {}
        self._ended: OrderedDict[str, OrderStatus | None] = OrderedDict()
        self._includes = 0

    def shown(self) -> list[Order]:
        """Return the open orders that can be shown, in the order of their prices."""
        return sorted((o for o in self._open.values() if o.is_complete), key=lambda o: (o.price, o.id))

    def sweep(self, level: OpenOrders) -> list[Order]:
        """Take a sweep for what it includes."""
        self._includes = level.includes
        listed = {key_of(order.client_order_id, order.venue_order_id): order for order in level.orders}
        gone = [o for o in self._open.values() if o.id not in listed and o.sequence <= level.includes]
        changed = [self._end(replace(o, status=OrderStatus.CANCELED, detail=NOT_LISTED), None) for o in gone]
        for key, order in listed.items():
            if self._ended.get(key) is None:
                self._ended.pop(key, None)
                changed += self._put(_listed(order, key, self._open.get(key)))
        return changed

    def report(self, report: OrderReport, sequence: int) -> list[Order]:
        """Take what the venue said of one order."""
        key = key_of(report.client_order_id, report.venue_order_id)
        known = self._open.get(key)
        order = _reported(report, known or Order(id=key), sequence)
        if report.status.is_terminal:
            return self._report_end(order, known)
        if key in self._ended or (known is None and sequence <= self._includes):
            return []
        return self._put(order)

    def trade(self, trade: Trade, sequence: int) -> list[Order]:
        """Take one own trade, each only once: its order has filled at least the sum of them."""
        order = self._open.get(key_of(trade.client_order_id, trade.venue_order_id))
        if order is None or sequence <= self._includes:
            return []
        traded = order.traded + trade.quantity
        filled = max(order.filled, traded)
        return self._put(replace(order, traded=traded, filled=filled, sequence=sequence))

    def _report_end(self, order: Order, known: Order | None) -> list[Order]:
        if self._ended.get(order.id) is not None:
            return []
        self._end(order, order.status)
        return [order] if known is not None or order.is_complete else []

    def _put(self, order: Order) -> list[Order]:
        before = self._open.get(order.id)
        self._open[order.id] = order
        is_news = before is None or _as_shown(before) != _as_shown(order)
        return [order] if is_news and order.is_complete else []

    def _end(self, order: Order, status: OrderStatus | None) -> Order:
        self._open.pop(order.id, None)
        self._ended[order.id] = status
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        return order


def key_of(client_order_id: str, venue_order_id: str) -> str:
    """Return what an order is known by: our id, or the venue's for one that was placed by hand."""
    return client_order_id or venue_order_id


def _listed(listed: OpenOrder, key: str, known: Order | None) -> Order:
    order = known or Order(id=key)
    return replace(
        order,
        side=listed.side,
        price=listed.price,
        quantity=listed.quantity,
        filled=max(order.filled, listed.cumulative_quantity),
        reduce_only=listed.reduce_only,
        time=_first(order.time, listed.time),
    )


def _reported(report: OrderReport, order: Order, sequence: int) -> Order:
    return replace(
        order,
        status=report.status if report.status.is_terminal else order.status,
        side=report.side or order.side,
        price=order.price if report.price is None else report.price,
        quantity=order.quantity if report.quantity is None else report.quantity,
        filled=max(order.filled, report.cumulative_quantity),
        time=_first(order.time, report.time),
        sequence=max(order.sequence, sequence),
        detail=report.detail,
    )


def _as_shown(order: Order) -> Order:
    return replace(order, sequence=0, traded=ZERO)


def _first(time: TimeNs, other: TimeNs) -> TimeNs:
    return min(time, other) or max(time, other)
