"""Position and opening orders of one symbol at the venue, and the worst case that follows from them.

Position and orders are those of the same moment: the engine's newest step. The step names the ORDERS sequence up to which
its position includes every trade (`offsets`), so a trade or report counts once a step includes it:

    intent, or check of an order     the whole order counts
    trade, included in a step        the order's remaining quantity is smaller; the step's position includes the trade
    terminal report, included        the order no longer counts; the step's summary has what it traded without a known trade
    not placed                       the order no longer counts, at once

So a filled order is never missing from both. Steps of version 1 have no risk summary; there the state is used.
"""

from collections import deque
from collections.abc import Collection, Iterator

import msgspec

from schemas.engine.journal import RiskSummary
from schemas.grid.state import GridState, SlotOrderState
from schemas.units import ZERO, ClientOrderId, Money, Price, Quantity, Side, SignedQuantity, TradeId
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind
from schemas.venue.orders import OrderReport, PlaceOrder, Trade

OrderEvent = OrderReport | Trade


class WorkingOrder(msgspec.Struct, kw_only=True):
    """An opening order that is at the venue, or may be."""

    side: Side
    price: Price
    quantity: Quantity
    traded: Quantity = ZERO
    """The part that the engine's position includes."""
    trade_ids: set[TradeId] = msgspec.field(default_factory=set)
    """The trades in `traded`: trades may be stored more than once."""

    @property
    def notional(self) -> Money:
        """The value of the remaining quantity."""
        return max(self.quantity - self.traded, ZERO) * self.price


class SymbolHoldings:
    """Position and opening orders of one symbol, as of the engine's last step and the orders sent since."""

    def __init__(self) -> None:
        self.orders: dict[ClientOrderId, WorkingOrder] = {}
        self.price: Price = ZERO
        self._position: SignedQuantity = ZERO
        self._is_spot = False
        self._limits: dict[Side, tuple[Money | None, Money]] = {}
        """By side: `max_position` and what is held, at its cost."""
        self._missing: dict[Side, Money] = {}
        """By side: the value of what ended orders traded, while the position does not include these trades."""
        self._included = 0
        """The ORDERS sequence up to which `_position` includes every trade."""
        self._pending: deque[tuple[int, OrderEvent]] = deque()
        """Events of counted orders that no step includes yet, with their ORDERS sequences."""

    @property
    def working(self) -> list[ClientOrderId]:
        """The opening orders that have not ended, as far as the venue has reported."""
        ended = {event.client_order_id for _, event in self._pending if _is_terminal(event)}
        return [client_order_id for client_order_id in self.orders if client_order_id not in ended]

    def apply(self, risk: RiskSummary, included: int) -> None:
        """Replace position and price by those of a step, which includes the order events up to a sequence of ORDERS."""
        self.price = risk.price or ZERO
        self._position = risk.position
        self._is_spot = risk.is_spot
        self._limits = {
            Side.BUY: (risk.max_buy, risk.held_long),
            Side.SELL: (risk.max_sell, risk.held_short),
        }
        self._missing = {Side.BUY: risk.missing_long, Side.SELL: risk.missing_short}
        self._include(included)

    def apply_state(
        self, state: GridState, included: int, unresolved: Collection[ClientOrderId] | None = None
    ) -> None:
        """Replace position, price and opening orders by those of a step of version 1.

        An order that is only requested counts if it was counted before or is in `unresolved`; if that is None, always.
        """
        self.price = state.price or ZERO
        self._position = state.accounts.position
        self._is_spot = state.instrument.kind is InstrumentKind.SPOT
        orders = [slot.order for slot in state.slots.values() if slot.order is not None]
        self.orders = {
            each.client_order_id: WorkingOrder(
                side=each.side,
                price=each.price,
                quantity=each.quantity,
                traded=each.traded_quantity,
                trade_ids=set(each.trade_ids),
            )
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
        self._include(included)

    def beyond_max_position(self, order: PlaceOrder) -> str | None:
        """Return why one more opening order could exceed `max_position`, None if it could not."""
        limit, held = self._limits.get(order.side, (None, ZERO))
        if limit is None:
            return None
        working = (each.notional for each in self.orders.values() if each.side is order.side)
        total = held + sum(working, ZERO) + order.quantity * order.price
        return f"{total:f} could be held with this order, the limit is {limit:f}" if total > limit else None

    def count(self, order: PlaceOrder) -> None:
        """Count an order that may be at the venue from now on, unless it is a closing one."""
        if order.opens:
            self.orders[order.client_order_id] = WorkingOrder(
                side=order.side, price=order.price, quantity=order.quantity
            )

    def forget(self, client_order_id: ClientOrderId) -> None:
        """Stop counting an order that was not placed, or turned out to be a closing one."""
        self.orders.pop(client_order_id, None)

    def on_order_event(self, sequence: int, event: OrderEvent) -> None:
        """Apply a report or trade as soon as a step includes its ORDERS sequence; events come in stream order."""
        if event.client_order_id not in self.orders:
            return
        if sequence <= self._included:
            self._apply_event(event)
        elif isinstance(event, Trade) or _is_terminal(event):
            self._pending.append((sequence, event))

    def discard_events(self) -> None:
        """Discard the events that no step includes yet: they are read again."""
        self._pending.clear()

    def worst_case(self, at_venue: Position | None, extra: WorkingOrder | None = None) -> Money:
        """Return the largest notional that the symbol may reach, with one more opening order if `extra` is given.

        A position does not reduce what the opening orders of the other side may reach: it may be closed before they fill.
        """
        orders = [*self.orders.values(), *([extra] if extra else [])]
        buys, sells = (
            sum((each.notional for each in orders if each.side is side), self._missing.get(side, ZERO))
            for side in (Side.BUY, Side.SELL)
        )
        return max(
            max(max(quantity, ZERO) * price + buys, sells - min(quantity, ZERO) * price)
            for quantity, price in self._positions(at_venue)
        )

    def _include(self, included: int) -> None:
        # Not monotonic: the sequences start again when ORDERS is recreated.
        self._included = included
        while self._pending and self._pending[0][0] <= included:
            self._apply_event(self._pending.popleft()[1])

    def _apply_event(self, event: OrderEvent) -> None:
        order = self.orders.get(event.client_order_id)
        if order is None:
            return
        if _is_terminal(event):
            del self.orders[event.client_order_id]
        elif isinstance(event, Trade) and event.trade_id not in order.trade_ids:
            order.trade_ids.add(event.trade_id)
            order.traded += event.quantity

    def _positions(self, at_venue: Position | None) -> Iterator[tuple[SignedQuantity, Price]]:
        yield self._position, self.price
        # A spot balance includes holdings that are not the grid's.
        if at_venue is not None and not self._is_spot:
            yield at_venue.quantity, self.price or at_venue.mark_price


def _is_terminal(event: OrderEvent) -> bool:
    return isinstance(event, OrderReport) and event.status.is_terminal
