"""Exposure check before an opening order is sent: the worst case over all symbols of a venue against the limit.

The worst case of a symbol is the largest notional that its position may reach with all opening orders of one side filled,
for the position that the venue reports or the one in the engine's step; of a spot symbol only the engine's counts. Of a
symbol without a known step the venue's position counts. An order that passed the check counts from then on.
"""

from producers.gateway.holdings import SymbolHoldings, WorkingOrder
from schemas.engine.portfolio import PortfolioLimits, PortfolioSettings
from schemas.grid.state import BreakerState
from schemas.units import ZERO, ClientOrderId, Money, Symbol
from schemas.venue.account import Position
from schemas.venue.orders import PlaceOrder


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
        return self.holdings(symbol)

    def release(self, symbol: Symbol) -> None:
        """Stop serving a symbol; its holdings still count, and are followed as those of another gateway."""
        self._served.discard(symbol)

    def is_served(self, symbol: Symbol) -> bool:
        """Return whether this gateway serves a symbol."""
        return symbol in self._served

    def holdings(self, symbol: Symbol) -> SymbolHoldings:
        """Return the holdings of a symbol, served or not."""
        return self._symbols.setdefault(symbol, SymbolHoldings())

    def count_or_refuse(self, symbol: Symbol, order: PlaceOrder) -> str | None:
        """Count an opening order and return None; if it is not allowed, return the reason and do not count it."""
        extra = WorkingOrder(side=order.side, price=order.price, quantity=order.quantity)
        reason = self._reason_against(symbol, extra)
        if reason is None:
            self.holdings(symbol).count(order)
        return reason

    def forget(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        """Stop counting an order that was not placed."""
        self.holdings(symbol).forget(client_order_id)

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
