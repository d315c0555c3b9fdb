"""Conditional orders: reduce-only orders that are sent when the mark price reaches a trigger.

The order that a conditional sends is an order of its own, with a client order id that the venue assigns: `stop-17`. Its
reports and trades bear that id, and the conditional names it as its child.
"""

from enum import StrEnum

import msgspec

from producers.simulated.matching.orders import VenueRejection, check_id, check_step
from producers.simulated.parameters import PositionSide
from schemas.units import ClientOrderId, Price, Quantity, Side, Symbol, TimeNs
from schemas.venue.instruments import Instrument, InstrumentStatus
from schemas.venue.orders import RejectReason

MAX_OPEN_CONDITIONALS = 10
"""Of one symbol."""


class ConditionalKind(StrEnum):
    """Which way the mark price has to move."""

    STOP = "stop"
    """Against the position: a sell is triggered at or below its trigger, a buy at or above."""
    TAKE_PROFIT = "take_profit"
    """In favor of the position."""


class ConditionalStatus(StrEnum):
    """The state of a conditional order."""

    OPEN = "open"
    TRIGGERED = "triggered"
    """Its child order was accepted; what became of it, the child's reports say."""
    REJECTED = "rejected"
    """Its child order was rejected, as when there is no position any more."""
    CANCELED = "canceled"


class NewConditional(msgspec.Struct, frozen=True, kw_only=True):
    """A request to place a conditional order, which only reduces a position."""

    symbol: Symbol
    side: Side
    trigger_price: Price
    """Compared with the mark price."""
    quantity: Quantity
    client_order_id: ClientOrderId
    kind: ConditionalKind = ConditionalKind.STOP
    price: Price | None = None
    """Of the child order; None sends a market order, of which the part that is not filled at once expires."""
    position_side: PositionSide = PositionSide.NET

    def is_reached(self, mark: Price) -> bool:
        """Return whether a mark price triggers it."""
        is_below = (self.side is Side.SELL) is (self.kind is ConditionalKind.STOP)
        return mark <= self.trigger_price if is_below else mark >= self.trigger_price


class Conditional(msgspec.Struct, kw_only=True):
    """An accepted conditional order, open or final."""

    number: int
    new: NewConditional
    status: ConditionalStatus = ConditionalStatus.OPEN
    child_order_id: ClientOrderId = ClientOrderId("")
    """Client order id of the order that it has sent; empty before."""
    detail: str = ""
    placed_time: TimeNs
    time: TimeNs
    """Time of the last change."""


def validate_conditional(rules: Instrument, new: NewConditional, mark: Price) -> None:
    """Check a conditional order against the instrument and the mark price.

    Raises: VenueRejection, also when it would be triggered at once.
    """
    check_id(new.client_order_id)
    if not new.client_order_id:
        raise VenueRejection(RejectReason.OTHER, "a conditional order needs a client_order_id")
    if rules.status is not InstrumentStatus.TRADING:
        raise VenueRejection(RejectReason.NOT_TRADING, f"{rules.symbol} is {rules.status}")
    check_step("trigger_price", new.trigger_price, rules.tick_size)
    check_step("quantity", new.quantity, rules.lot_size)
    if new.price is not None:
        check_step("price", new.price, rules.tick_size)
    if new.is_reached(mark):
        raise VenueRejection(
            RejectReason.OTHER, f"{new.kind} at {new.trigger_price} would be triggered at once: mark {mark}"
        )
