"""Orders as the simulated venue keeps them, and what it refuses."""

from decimal import Decimal

import msgspec

from schemas.units import ZERO, ClientOrderId, Price, Quantity, Side, Symbol, TimeNs, VenueId
from schemas.venue.account import OpenOrder
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason

OPEN = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
LONGEST_ID = 36


class Refusal(Exception):
    """The venue does not do what was asked for, and says why."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A limit order that somebody asks for."""

    symbol: Symbol
    side: Side
    price: Price
    quantity: Quantity
    client_order_id: ClientOrderId = ClientOrderId("")
    """Empty: the venue names it."""
    post_only: bool = False
    reduce_only: bool = False


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A request to place an order that reached the venue, whatever became of it."""

    symbol: Symbol
    client_order_id: ClientOrderId
    time: TimeNs
    """By the clock of the machine, not the market's."""


class Order(msgspec.Struct, kw_only=True):
    """An order that was accepted, open or ended."""

    number: int
    symbol: Symbol
    client_order_id: ClientOrderId
    side: Side
    price: Price
    quantity: Quantity
    filled: Quantity = ZERO
    status: OrderStatus = OrderStatus.NEW
    post_only: bool = False
    reduce_only: bool = False
    is_taking: bool = False
    """It has been at or through the other side's best price ever since it came: it pays the taker's fee."""
    detail: str = ""
    placed_time: TimeNs
    time: TimeNs
    """When it became what it is."""

    @property
    def remaining(self) -> Quantity:
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def report(self, venue: VenueId) -> OrderReport:
        """Return what the venue says of it now."""
        return OrderReport(
            venue=venue,
            symbol=self.symbol,
            client_order_id=self.client_order_id,
            status=self.status,
            cumulative_quantity=self.filled,
            time=self.time,
            venue_order_id=str(self.number),
            side=self.side,
            price=self.price,
            quantity=self.quantity,
            detail=self.detail,
        )

    def listed(self) -> OpenOrder:
        """Return it as a line of the list of open orders."""
        return OpenOrder(
            client_order_id=self.client_order_id,
            venue_order_id=str(self.number),
            side=self.side,
            price=self.price,
            quantity=self.quantity,
            cumulative_quantity=self.filled,
            status=self.status,
            reduce_only=self.reduce_only,
            time=self.time,
        )


def check_rules(rules: Instrument, new: NewOrder) -> None:
    """See that an order keeps to the instrument's steps and minima.

    Raises: Refusal.
    """
    _check_id(new.client_order_id)
    _check_step("price", new.price, rules.tick_size)
    _check_step("quantity", new.quantity, rules.lot_size)
    if new.quantity < rules.minimum_quantity:
        raise Refusal(
            RejectReason.MINIMUM_NOTIONAL, f"quantity {new.quantity} is below {rules.minimum_quantity}"
        )
    # Real perpetual venues let the rest of a position be closed however small it is.
    is_exempt = new.reduce_only and rules.kind is InstrumentKind.LINEAR_PERPETUAL
    if new.price * new.quantity < rules.minimum_notional and not is_exempt:
        raise Refusal(
            RejectReason.MINIMUM_NOTIONAL,
            f"notional {new.price * new.quantity} is below {rules.minimum_notional}",
        )


def _check_id(text: str) -> None:
    if len(text) > LONGEST_ID or not all(c.isascii() and (c.isalnum() or c in "-_") for c in text):
        raise Refusal(RejectReason.OTHER, f"client_order_id is up to {LONGEST_ID} of [A-Za-z0-9_-]")


def _check_step(name: str, value: Decimal, step: Decimal) -> None:
    if not value.is_finite() or value <= 0:
        raise Refusal(RejectReason.PRECISION, f"{name} {value} is not a number above zero")
    # A number with a giant exponent is nobody's price, and would be slow to divide.
    if value.adjusted() > 20 or value % step != 0:
        raise Refusal(RejectReason.PRECISION, f"{name} {value} is not a multiple of {step}")
