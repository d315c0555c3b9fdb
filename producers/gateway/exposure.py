"""Exposure check before an opening order is sent: the worst case over all symbols of its quote currency against the limit.

The symbols of all venues count, also those that other gateways serve.

The worst case of a symbol is the largest notional that its position may reach with all opening orders of one side filled,
for the position that the venue reports or the one in the engine's step; of a spot symbol only the engine's counts. Of a
symbol without a known step the venue's position counts. An order that passed the check counts from then on.
"""

from bus.marks import reached
from producers.gateway.holdings import SymbolHoldings, WorkingOrder
from schemas.engine.portfolio import PortfolioLimits, PortfolioSettings
from schemas.grid.guard_state import BreakerState
from schemas.units import ZERO, ClientOrderId, Money, Symbol, VenueId
from schemas.venue.account import Position
from schemas.venue.instruments import quote_of
from schemas.venue.orders import PlaceOrder, RejectReason

Market = tuple[VenueId, Symbol]


class Exposure:
    """Exposure of all symbols of all venues, for the gateways of one venue. Its symbols are named without the venue."""

    def __init__(self, venue: VenueId) -> None:
        self._venue = venue
        self.settings: PortfolioSettings | None = None
        """Configured limits; None without any."""
        self.limits: PortfolioLimits | None = None
        """Limits in effect; None until the engine's portfolio has published them."""
        self.positions: dict[Market, Position] = {}
        self._symbols: dict[Market, SymbolHoldings] = {}
        self._served: set[Symbol] = set()

    def serve(self, symbol: Symbol) -> SymbolHoldings:
        """Mark a symbol as served by this gateway, and return its holdings."""
        self._served.add(symbol)
        return self.holdings(self._venue, symbol)

    def release(self, symbol: Symbol) -> None:
        """Stop serving a symbol; its holdings still count, and are followed as those of another gateway."""
        self._served.discard(symbol)

    def is_served(self, venue: VenueId, symbol: Symbol) -> bool:
        """Return whether this gateway serves a symbol."""
        return venue == self._venue and symbol in self._served

    def holdings(self, venue: VenueId, symbol: Symbol) -> SymbolHoldings:
        """Return the holdings of a symbol, served or not."""
        return self._symbols.setdefault((venue, symbol), SymbolHoldings())

    def check(self, symbol: Symbol, order: PlaceOrder) -> tuple[RejectReason, str] | None:
        """Check an opening order against `max_position` of its grid and the exposure of all symbols, and count it.

        Return the reason and its detail if the order is not allowed; it is not counted then.
        """
        beyond = self.holdings(self._venue, symbol).beyond_max_position(order)
        if beyond is not None:
            reached("refused_max_position")
            return RejectReason.MAX_POSITION, beyond
        reason_against = self.count_or_refuse(symbol, order)
        if reason_against is None:
            return None
        reached("refused_exposure")
        return RejectReason.EXPOSURE_LIMIT, reason_against

    def count_or_refuse(self, symbol: Symbol, order: PlaceOrder) -> str | None:
        """Count an opening order and return None; if it is not allowed, return the reason and do not count it."""
        extra = WorkingOrder(side=order.side, price=order.price, quantity=order.quantity)
        reason = self._reason_against(symbol, extra)
        if reason is None:
            self.holdings(self._venue, symbol).count(order)
        return reason

    def forget(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        """Stop counting an order that was not placed."""
        self.holdings(self._venue, symbol).forget(client_order_id)

    def total(self, currency: str, extra: WorkingOrder | None = None, of: Symbol | None = None) -> Money:
        """Return the largest notional that all symbols with a quote currency may reach.

        With `extra`, as if there were one more opening order of the symbol `of`.
        """
        known = sum(
            (
                each.worst_case(self.positions.get(market), extra if market == (self._venue, of) else None)
                for market, each in self._symbols.items()
                if quote_of(market[1]) == currency
            ),
            ZERO,
        )
        others = (
            each
            for market, each in self.positions.items()
            if market not in self._symbols and quote_of(market[1]) == currency
        )
        return known + sum((abs(each.quantity) * each.mark_price for each in others), ZERO)

    def _reason_against(self, symbol: Symbol, extra: WorkingOrder) -> str | None:
        if self.limits is None:
            is_limited = self.settings is not None and self.settings != PortfolioSettings()
            return "limits are configured, but not received from the engine yet" if is_limited else None
        currency = quote_of(symbol)
        limits = self.limits.bucket(currency)
        if limits.breaker is BreakerState.OPEN:
            return f"the circuit breaker over all symbols is open: {limits.reason}"
        if not limits.is_opening_allowed:
            return limits.reason
        maximum = limits.max_exposure or self._configured_maximum(currency)
        if not maximum:
            return None
        total = self.total(currency, extra, symbol)
        return (
            f"the exposure could reach {total:f} {currency} with this order, the limit is {maximum:f}"
            if total > maximum
            else None
        )

    def _configured_maximum(self, currency: str) -> Money:
        """Return the configured limit of a currency of which the engine has published none yet, else 0."""
        if self.settings is None or self.limits is None or currency in self.limits.buckets:
            return ZERO
        return self.settings.of(currency).max_exposure
