"""The last hard check: what all symbols of a venue hold, and could come to hold, against the limit. Pure.

For each symbol the worst is taken of what may become of it: the larger position of the venue's and the engine's word, with
all its opening orders of one side filled. An order that is let through counts from that moment on.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from schemas.engine.portfolio import PortfolioLimits, PortfolioSettings
from schemas.grid.state import BreakerState, GridState, SlotOrderState
from schemas.units import ZERO, ClientOrderId, Money, Price, Side, SignedQuantity, Symbol
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind
from schemas.venue.orders import PlaceOrder


class Working(NamedTuple):
    """An opening order that is at the venue, or may be."""

    side: Side
    notional: Money


class SymbolBook:
    """One symbol as the gateway knows it."""

    def __init__(self) -> None:
        self.orders: dict[ClientOrderId, Working] = {}
        self.price: Price = ZERO
        self._position: SignedQuantity = ZERO
        self._is_spot = False

    def follow(self, state: GridState, unresolved: Collection[ClientOrderId] | None = None) -> None:
        """Take over what a step knows.

        What it only asked for counts when it was sent, or is one of `unresolved`; all of it where that cannot be known.
        """
        self.price = state.price or ZERO
        self._position = state.accounts.position
        self._is_spot = state.instrument.kind is InstrumentKind.SPOT
        orders = [slot.order for slot in state.slots.values() if slot.order is not None]
        self.orders = {
            each.client_order_id: Working(each.side, (each.quantity - each.traded_quantity) * each.price)
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

    def worst(self, there: Position | None, extra: Working | None = None) -> Money:
        """Return the largest notional that may come of the symbol, with one more order."""
        orders = [*self.orders.values(), *([extra] if extra else [])]
        buys = sum((each.notional for each in orders if each.side is Side.BUY), ZERO)
        sells = sum((each.notional for each in orders if each.side is Side.SELL), ZERO)
        return max(max(held * price + buys, sells - held * price) for held, price in self._positions(there))

    def _positions(self, there: Position | None) -> Iterator[tuple[SignedQuantity, Price]]:
        yield self._position, self.price
        # A spot balance also holds what is not the grid's.
        if there is not None and not self._is_spot:
            yield there.quantity, self.price or there.mark_price


class Exposure:
    """All symbols of a venue."""

    def __init__(self) -> None:
        self.settings: PortfolioSettings | None = None
        """What is configured; None where no limits are."""
        self.limits: PortfolioLimits | None = None
        self.positions: dict[Symbol, Position] = {}
        self._books: dict[Symbol, SymbolBook] = {}
        self._served: set[Symbol] = set()

    def book(self, symbol: Symbol) -> SymbolBook:
        """Return the book of a symbol that is served here."""
        self._served.add(symbol)
        return self._books.setdefault(symbol, SymbolBook())

    def close(self, symbol: Symbol) -> None:
        """Take note that a symbol is served here no more; its book stays as it is until the next step is seen."""
        self._served.discard(symbol)

    def is_served(self, symbol: Symbol) -> bool:
        """Tell whether a symbol is served here."""
        return symbol in self._served

    def see(self, state: GridState) -> None:
        """Take over a step of a symbol that another gateway serves."""
        self._books.setdefault(state.symbol, SymbolBook()).follow(state)

    def admit(self, symbol: Symbol, order: PlaceOrder) -> str | None:
        """Let an opening order through and count it; return why not, when it has to stay."""
        extra = Working(order.side, order.quantity * order.price)
        reason = self._reason_against(symbol, extra)
        if reason is None:
            self.book(symbol).orders[order.client_order_id] = extra
        return reason

    def forget(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        """Count an order no more: it was not placed."""
        self.book(symbol).orders.pop(client_order_id, None)

    def total(self, extra: Working | None = None, of: Symbol | None = None) -> Money:
        """Return what all symbols may come to hold, with one more order of a symbol."""
        known = sum(
            (
                book.worst(self.positions.get(symbol), extra if symbol == of else None)
                for symbol, book in self._books.items()
            ),
            ZERO,
        )
        others = (each for symbol, each in self.positions.items() if symbol not in self._books)
        return known + sum((abs(each.quantity) * each.mark_price for each in others), ZERO)

    def _reason_against(self, symbol: Symbol, extra: Working) -> str | None:
        limits = self.limits
        if limits is None:
            is_limited = self.settings is not None and self.settings != PortfolioSettings()
            return "limits are configured and none are known" if is_limited else None
        if limits.breaker is BreakerState.OPEN:
            return f"the global circuit breaker is open: {limits.reason}"
        if not limits.is_opening_allowed:
            return limits.reason
        maximum = limits.max_exposure
        if not maximum:
            return None
        total = self.total(extra, symbol)
        return f"with it {total:f} could be held, the limit is {maximum:f}" if total > maximum else None
