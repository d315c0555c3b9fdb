"""Exposure check before an opening order is sent: the worst case over all symbols of a venue against the limit.

The worst case of a symbol is the largest notional that its position may reach with all opening orders of one side filled,
for the position that the venue reports or the one in the engine's state; of a spot symbol only the engine's counts. Of a
symbol without a known step the venue's position counts. An order that passed the check counts from then on.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from schemas.engine.portfolio import PortfolioLimits, PortfolioSettings
from schemas.grid.state import BreakerState, GridState, SlotOrderState
from schemas.units import ZERO, ClientOrderId, Money, Price, Side, SignedQuantity, Symbol
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind
from schemas.venue.orders import PlaceOrder


class WorkingOrder(NamedTuple):
    """An opening order that is at the venue, or may be."""

    side: Side
    notional: Money


class SymbolHoldings:
    """Position and opening orders of one symbol, as of the engine's last step and the orders sent since."""

    def __init__(self) -> None:
        self.orders: dict[ClientOrderId, WorkingOrder] = {}
        self.price: Price = ZERO
        self._position: SignedQuantity = ZERO
        self._is_spot = False

    def apply(self, state: GridState, unresolved: Collection[ClientOrderId] | None = None) -> None:
        """Replace the position and the opening orders by those of a step.

        An order that is only requested counts if it was counted before or is in `unresolved`; if that is None, always.
        """
        self.price = state.price or ZERO
        self._position = state.accounts.position
        self._is_spot = state.instrument.kind is InstrumentKind.SPOT
        orders = [slot.order for slot in state.slots.values() if slot.order is not None]
        self.orders = {
            each.client_order_id: WorkingOrder(each.side, (each.quantity - each.traded_quantity) * each.price)
            for each in orders
            if each.opens
            and each.ended is None
            and (
                unresolved is None
                or each.state is not SlotOrderState.REQUESTED
                or each.client_order_id in self.orders
                or each.client_order_id in unresolved
            )
        }

    def worst_case(self, at_venue: Position | None, extra: WorkingOrder | None = None) -> Money:
        """Return the largest notional that the symbol may reach, with one more opening order if `extra` is given."""
        orders = [*self.orders.values(), *([extra] if extra else [])]
        buys = sum((each.notional for each in orders if each.side is Side.BUY), ZERO)
        sells = sum((each.notional for each in orders if each.side is Side.SELL), ZERO)
        return max(
            max(quantity * price + buys, sells - quantity * price)
            for quantity, price in self._positions(at_venue)
        )

    def _positions(self, at_venue: Position | None) -> Iterator[tuple[SignedQuantity, Price]]:
        yield self._position, self.price
        # A spot balance includes holdings that are not the grid's.
        if at_venue is not None and not self._is_spot:
            yield at_venue.quantity, self.price or at_venue.mark_price


class Exposure:
    """Exposure of all symbols of a venue."""

    def __init__(self) -> None:
        self.settings: PortfolioSettings | None = None
        """Configured limits; None without any."""
        self.limits: PortfolioLimits | None = None
        """Limits in effect; None until the engine's portfolio has published them."""
        self.positions: dict[Symbol, Position] = {}
        self._symbols: dict[Symbol, SymbolHoldings] = {}
        self._served: set[Symbol] = set()

    def serve(self, symbol: Symbol) -> SymbolHoldings:
        """Mark a symbol as served by this gateway, and return its holdings."""
        self._served.add(symbol)
        return self._symbols.setdefault(symbol, SymbolHoldings())

    def release(self, symbol: Symbol) -> None:
        """Stop serving a symbol; its holdings still count until `apply_remote` replaces them."""
        self._served.discard(symbol)

    def is_served(self, symbol: Symbol) -> bool:
        """Return whether this gateway serves a symbol."""
        return symbol in self._served

    def apply_remote(self, state: GridState) -> None:
        """Apply a step of a symbol that another gateway serves; all its requested orders count."""
        self._symbols.setdefault(state.symbol, SymbolHoldings()).apply(state)

    def count_or_refuse(self, symbol: Symbol, order: PlaceOrder) -> str | None:
        """Count an opening order and return None; if it is not allowed, return the reason and do not count it."""
        extra = WorkingOrder(order.side, order.quantity * order.price)
        reason = self._reason_against(symbol, extra)
        if reason is None:
            self.serve(symbol).orders[order.client_order_id] = extra
        return reason

    def forget(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        """Stop counting an order that was not placed."""
        self.serve(symbol).orders.pop(client_order_id, None)

    def total(self, extra: WorkingOrder | None = None, of: Symbol | None = None) -> Money:
        """Return the largest notional that all symbols may reach, with one more opening order `extra` of the symbol `of`."""
        known = sum(
            (
                each.worst_case(self.positions.get(symbol), extra if symbol == of else None)
                for symbol, each in self._symbols.items()
            ),
            ZERO,
        )
        others = (each for symbol, each in self.positions.items() if symbol not in self._symbols)
        return known + sum((abs(each.quantity) * each.mark_price for each in others), ZERO)

    def _reason_against(self, symbol: Symbol, extra: WorkingOrder) -> str | None:
        limits = self.limits
        if limits is None:
            is_limited = self.settings is not None and self.settings != PortfolioSettings()
            return "limits are configured, but not received from the engine yet" if is_limited else None
        if limits.breaker is BreakerState.OPEN:
            return f"the global circuit breaker is open: {limits.reason}"
        if not limits.is_opening_allowed:
            return limits.reason
        maximum = limits.max_exposure
        if not maximum:
            return None
        total = self.total(extra, symbol)
        return (
            f"the exposure could reach {total:f} with this order, the limit is {maximum:f}"
            if total > maximum
            else None
        )
