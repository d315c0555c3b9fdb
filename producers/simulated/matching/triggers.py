"""The open conditional orders, and what triggers them."""

from collections.abc import Callable, Iterable, Mapping

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.conditionals import (
    MAX_OPEN_CONDITIONALS,
    Conditional,
    ConditionalStatus,
    NewConditional,
    validate_conditional,
)
from producers.simulated.matching.orders import NewOrder, VenueRejection
from producers.simulated.matching.records import Records
from producers.simulated.parameters import MARKET_PROTECTION
from schemas.units import ClientOrderId, Price, Side, Symbol, TimeNs
from schemas.venue.orders import RejectReason


class Triggers:
    """Open conditional orders by symbol and client order id."""

    def __init__(
        self,
        listing: Callable[[Symbol], Listing],
        quotes: Mapping[Symbol, Quote],
        records: Records,
        conditionals: Iterable[Conditional],
    ) -> None:
        """Start with the open ones; `listing` raises VenueRejection for an unknown symbol."""
        self._listing = listing
        self._quotes = quotes
        self._records = records
        self._open: dict[tuple[Symbol, ClientOrderId], Conditional] = {
            (each.new.symbol, each.new.client_order_id): each for each in conditionals
        }

    def add(self, new: NewConditional, time: TimeNs) -> Conditional:
        """Accept a conditional order.

        Raises: VenueRejection.
        """
        rules = self._listing(new.symbol).rules
        validate_conditional(rules, new, self._quotes[new.symbol].mark_price)
        if (new.symbol, new.client_order_id) in self._open:
            raise VenueRejection(
                RejectReason.DUPLICATE_ID, f"a conditional order {new.client_order_id} is already open"
            )
        if len(self.of(new.symbol)) >= MAX_OPEN_CONDITIONALS:
            raise VenueRejection(
                RejectReason.OTHER, f"at most {MAX_OPEN_CONDITIONALS} conditional orders per symbol"
            )
        self._records.counters.conditional += 1
        number = self._records.counters.conditional
        conditional = Conditional(number=number, new=new, placed_time=time, time=time)
        self._open[new.symbol, new.client_order_id] = conditional
        self._records.changes.conditionals[number] = conditional
        return conditional

    def of(self, symbol: Symbol) -> list[Conditional]:
        """Return the open conditional orders of a symbol, oldest first.

        Raises: VenueRejection: UNKNOWN_SYMBOL.
        """
        self._listing(symbol)
        return [each for each in self._open.values() if each.new.symbol == symbol]

    def cancel(self, symbol: Symbol, client_order_id: ClientOrderId, time: TimeNs) -> Conditional:
        """Cancel an open conditional order.

        Raises: VenueRejection: NOT_FOUND, UNKNOWN_SYMBOL.
        """
        self._listing(symbol)
        conditional = self._open.get((symbol, client_order_id))
        if conditional is None:
            raise VenueRejection(RejectReason.NOT_FOUND, f"no open conditional order {client_order_id}")
        self._end(conditional, ConditionalStatus.CANCELED, time)
        return conditional

    def cancel_all(self, symbol: Symbol, time: TimeNs, detail: str) -> None:
        """Cancel the open conditional orders of a symbol."""
        for each in self.of(symbol):
            self._end(each, ConditionalStatus.CANCELED, time, detail)

    def reached(self, symbol: Symbol, mark: Price) -> list[Conditional]:
        """Return the open conditional orders that a mark price triggers, oldest first."""
        return [
            each for each in self._open.values() if each.new.symbol == symbol and each.new.is_reached(mark)
        ]

    def child_order(self, conditional: Conditional, client_order_id: ClientOrderId) -> NewOrder:
        """Return the order that a conditional sends. A market order has the worst price that protection allows."""
        new, rules = conditional.new, self._listing(conditional.new.symbol).rules
        price = new.price
        if price is None:
            worst = self._quotes[new.symbol].other_side(new.side) * (1 + new.side.sign * MARKET_PROTECTION)
            price = rules.price_up(worst) if new.side is Side.SELL else rules.price_down(worst)
        return NewOrder(
            symbol=new.symbol,
            side=new.side,
            price=price,
            quantity=new.quantity,
            client_order_id=client_order_id,
            reduce_only=True,
            position_side=new.position_side,
        )

    def finish(self, conditional: Conditional, time: TimeNs, child_order_id: ClientOrderId) -> None:
        """End a conditional order whose child was accepted."""
        conditional.child_order_id = child_order_id
        self._end(conditional, ConditionalStatus.TRIGGERED, time)

    def reject(self, conditional: Conditional, time: TimeNs, detail: str) -> None:
        """End a conditional order whose child was rejected."""
        self._end(conditional, ConditionalStatus.REJECTED, time, detail)

    def _end(
        self, conditional: Conditional, status: ConditionalStatus, time: TimeNs, detail: str = ""
    ) -> None:
        conditional.status, conditional.time, conditional.detail = status, time, detail
        del self._open[conditional.new.symbol, conditional.new.client_order_id]
        self._records.changes.conditionals[conditional.number] = conditional
