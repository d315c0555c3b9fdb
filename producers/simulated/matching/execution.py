"""Execution of orders: fills, the book's depth for takers, and self-trade prevention."""

from collections.abc import Mapping

from producers.simulated.listing import Listing
from producers.simulated.matching.account import Account
from producers.simulated.matching.depth import Level, levels, with_taken
from producers.simulated.matching.orders import Order
from producers.simulated.matching.records import Records
from producers.simulated.parameters import SelfTradePrevention
from schemas.units import Price, Quantity, Side, Symbol, TimeNs
from schemas.venue.orders import OrderStatus

SELF_TRADE = "self-trade prevention"
EXPIRES_TAKER = {SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH}
EXPIRES_MAKER = {SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.EXPIRE_BOTH}


class Execution:
    """Fills orders and takes depth."""

    def __init__(self, listings: Mapping[Symbol, Listing], account: Account, records: Records) -> None:
        self._listings = listings
        self._account = account
        self._records = records

    def trade_at_once(self, order: Order, time: TimeNs) -> None:
        """Trade a new order on the book; own orders on its way are treated by the symbol's self-trade prevention.

        An own order is met before the others at its price.
        """
        prevention = self._listings[order.symbol].self_trade_prevention
        if prevention is not SelfTradePrevention.IGNORE:
            for maker in self.own_opposite(order.symbol, order.side, order.price):
                tick = self._listings[order.symbol].rules.tick_size
                self.take(order, maker.price - order.side.sign * tick, time)
                if not order.is_open:
                    return
                if prevention in EXPIRES_MAKER:
                    self._records.finish(maker, OrderStatus.EXPIRED, time, SELF_TRADE)
                if prevention in EXPIRES_TAKER:
                    self._records.finish(order, OrderStatus.EXPIRED, time, SELF_TRADE)
                    return
        self.take(order, order.price, time)
        if order.is_open and order.immediate:
            self._records.finish(order, OrderStatus.EXPIRED, time, "no more depth within its price")

    def take(self, order: Order, limit: Price, time: TimeNs) -> None:
        """Trade an order as taker with the levels up to a price."""
        side = order.side
        if not self._account.quotes[order.symbol].crosses(side, limit):
            return
        for level in self.book(order.symbol, side, time):
            if side.sign * (level.price - limit) > 0 or not order.is_open:
                return
            filled = self.fill(order, level.quantity, level.price, time, is_maker=False)
            self.take_depth(order.symbol, side, filled, time)

    def fill(
        self, order: Order, offered: Quantity, price: Price, time: TimeNs, *, is_maker: bool
    ) -> Quantity:
        """Fill an order with up to the quantity offered, report it, and return the quantity filled."""
        quantity = min(offered, order.remaining)
        is_capped = False
        if order.reduce_only:
            closable = self._account.closable_quantity(order.symbol, order.side, order.position_side)
            is_capped = quantity > closable
            quantity = min(quantity, closable)
        if quantity:
            self._records.fill(order, quantity, price, time, is_maker=is_maker)
        if is_capped:
            detail = "reduce-only: the position is closed"
            self._records.finish(order, OrderStatus.EXPIRED, time, detail=detail)
        elif not order.remaining:
            self._records.finish(order, OrderStatus.FILLED, time)
        elif quantity:
            self._records.report_progress(order, time)
        return quantity

    def own_opposite(self, symbol: Symbol, side: Side, price: Price) -> list[Order]:
        """Return the own resting orders that an order would meet, best price first."""
        found = [
            each
            for each in self._account.open_orders[symbol].values()
            if each.side is not side and each.arrival_time is None and side.sign * (price - each.price) >= 0
        ]
        return sorted(found, key=lambda each: (side.sign * each.price, each.number))

    def book(self, symbol: Symbol, side: Side, time: TimeNs) -> list[Level]:
        """Return what an order of `side` could take, best price first."""
        taken = self._records.counters.taken.get(_key(symbol, side))
        return list(levels(self._listings[symbol], self._account.quotes[symbol], side, taken, time))

    def take_depth(self, symbol: Symbol, side: Side, quantity: Quantity, time: TimeNs) -> None:
        """Record that a quantity was taken: it is offered again once the book has refilled."""
        if quantity:
            taken, key = self._records.counters.taken, _key(symbol, side)
            taken[key] = with_taken(self._listings[symbol], taken.get(key), quantity, time)

    def refill(self, symbol: Symbol) -> None:
        """Forget what was taken, where books refill with each tick."""
        if not self._listings[symbol].book.refill:
            for side in Side:
                self._records.counters.taken.pop(_key(symbol, side), None)


def _key(symbol: Symbol, side: Side) -> str:
    return f"{symbol} {side}"
