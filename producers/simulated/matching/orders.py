"""Orders of the simulated venue, and the validation of new ones."""

from decimal import Decimal

import msgspec

from producers.simulated.parameters import PositionSide
from schemas.units import ZERO, ClientOrderId, Price, Quantity, Side, Symbol, TimeNs, VenueId
from schemas.venue.account import OpenOrder
from schemas.venue.instruments import Instrument, InstrumentStatus
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason

OPEN = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
MAX_ID_LENGTH = 36


class VenueRejection(Exception):
    """The venue rejects a request: the reason code, and a text with the details."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A request to place a limit order."""

    symbol: Symbol
    side: Side
    price: Price
    quantity: Quantity
    client_order_id: ClientOrderId = ClientOrderId("")
    """Empty: the venue assigns `web-<number>`."""
    post_only: bool = False
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.NET
    """The position that it trades in; required in hedge mode only."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A request to place an order that reached the venue, whether or not it was carried out."""

    symbol: Symbol
    client_order_id: ClientOrderId
    time: TimeNs
    """Wall clock, not market time."""


class Order(msgspec.Struct, kw_only=True):
    """An accepted order, open or final."""

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
    """It has been marketable ever since it was placed, so its fills pay the taker fee."""
    detail: str = ""
    placed_time: TimeNs
    time: TimeNs
    """Time of the last change."""
    immediate: bool = False
    """What is not filled at once expires."""
    position_side: PositionSide = PositionSide.NET
    queue_ahead: Quantity = ZERO
    """`queue`: quantity of others at its price that has yet to be traded before it."""
    arrival_time: TimeNs | None = None
    """Market time at which it reaches the book, while it is on its way; None once it is there."""
    cancel_time: TimeNs | None = None
    """Market time at which a cancel that is on its way reaches it."""
    reject_reason: RejectReason | None = None

    @property
    def remaining(self) -> Quantity:
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def report(self, venue: VenueId) -> OrderReport:
        """Return the report of its present state."""
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
            reject_reason=self.reject_reason,
            detail=self.detail,
        )

    def to_open_order(self) -> OpenOrder:
        """Return its row in the list of open orders."""
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


def validate_order(rules: Instrument, new: NewOrder, reference: Price) -> None:
    """Check an order against the instrument's status, steps, minima and maxima, and its price band at a reference price.

    Raises: VenueRejection when the id, price, quantity or notional is not allowed, or nothing is traded.
    """
    check_id(new.client_order_id)
    if rules.status is not InstrumentStatus.TRADING:
        raise VenueRejection(RejectReason.NOT_TRADING, f"{rules.symbol} is {rules.status}")
    check_step("price", new.price, rules.tick_size)
    check_step("quantity", new.quantity, rules.lot_size)
    if new.quantity < rules.minimum_quantity:
        raise VenueRejection(
            RejectReason.MINIMUM_NOTIONAL,
            f"quantity {new.quantity} is below the minimum of {rules.minimum_quantity}",
        )
    is_exempt = new.reduce_only and rules.closes_exempt_from_minimum
    if new.price * new.quantity < rules.minimum_notional and not is_exempt:
        raise VenueRejection(
            RejectReason.MINIMUM_NOTIONAL,
            f"notional {new.price * new.quantity} is below the minimum of {rules.minimum_notional}",
        )
    if rules.is_above_maximum(new.quantity, new.price):
        raise VenueRejection(
            RejectReason.ABOVE_MAXIMUM,
            f"{new.quantity} at {new.price} is above the maximum of one order: "
            f"quantity {rules.maximum_quantity}, notional {rules.maximum_notional}",
        )
    if not rules.accepts_price(new.side, new.price, reference):
        raise VenueRejection(
            RejectReason.PRICE_BAND, f"{new.side} at {new.price} is outside the price band at {reference}"
        )


def check_id(text: str) -> None:
    """Check a client order id.

    Raises: VenueRejection.
    """
    if len(text) > MAX_ID_LENGTH or not all(c.isascii() and (c.isalnum() or c in "-_") for c in text):
        raise VenueRejection(
            RejectReason.OTHER, f"client_order_id must be at most {MAX_ID_LENGTH} characters of [A-Za-z0-9_-]"
        )


def check_step(name: str, value: Decimal, step: Decimal) -> None:
    """Check that a price or quantity is a multiple of its step.

    Raises: VenueRejection.
    """
    if not value.is_finite() or value <= 0:
        raise VenueRejection(RejectReason.PRECISION, f"{name} {value} must be a finite number above zero")
    # A number with a giant exponent would be slow to divide.
    if value.adjusted() > 20 or value % step != 0:
        raise VenueRejection(RejectReason.PRECISION, f"{name} {value} is not a multiple of {step}")
