"""A small exchange for the property tests, whose messages arrive in any order, twice or never."""

from dataclasses import dataclass, field
from decimal import Decimal

from schemas.units import ClientOrderId, TimeNs, TradeId
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.instruments import Instrument
from schemas.venue.orders import (
    CancelOrder,
    CancelRejected,
    Decision,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    QueryOrder,
    RejectReason,
    Trade,
)
from tests.builders import SIM

Message = OrderReport | CancelRejected | Trade


@dataclass
class ExchangeOrder:
    """An order at the exchange; `status` is None while the request is in flight."""

    order: PlaceOrder
    status: OrderStatus | None = None
    reason: RejectReason | None = None
    trades: list[Trade] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades), Decimal(0))

    @property
    def is_open(self) -> bool:
        return self.status is not None and not self.status.is_terminal

    @property
    def is_live(self) -> bool:
        return self.status is None or self.is_open


class Exchange:
    """The true state of all orders; `messages` are sent but not yet delivered."""

    def __init__(self, instrument: Instrument, *, is_forgetful: bool = False) -> None:
        self.lot = instrument.lot_size
        self.symbol = instrument.symbol
        self.charged_asset = instrument.charged_asset
        self.is_forgetful = is_forgetful
        """Whether its answer to a cancel omits the fills, which it reports afterwards."""
        self.now: TimeNs = 0
        self.orders: dict[ClientOrderId, ExchangeOrder] = {}
        self.messages: list[Message] = []
        self.trades: list[Trade] = []

    def execute(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                assert decision.client_order_id not in self.orders, "an order id was used twice"
                same_level = [each for each in self.orders.values() if each.order.level == decision.level]
                assert not any(each.is_live for each in same_level), "two orders of one slot"
                self.orders[decision.client_order_id] = ExchangeOrder(decision)
            case CancelOrder():
                self._cancel(decision.client_order_id)
            case QueryOrder():
                self._answer_query(decision.client_order_id)

    def live(self) -> list[ExchangeOrder]:
        return [each for each in self.orders.values() if each.is_live]

    def in_flight(self) -> list[ExchangeOrder]:
        return [each for each in self.orders.values() if each.status is None]

    def open(self) -> list[ExchangeOrder]:
        return [each for each in self.orders.values() if each.is_open]

    def accept(self, placed: ExchangeOrder) -> None:
        self._set(placed, OrderStatus.NEW)

    def reject(self, placed: ExchangeOrder, reason: RejectReason) -> None:
        placed.reason = reason
        self._set(placed, OrderStatus.REJECTED)

    def drop_request(self, placed: ExchangeOrder) -> None:
        self._set(placed, OrderStatus.NOT_PLACED)

    def expire(self, placed: ExchangeOrder) -> None:
        """Expire an order."""
        self._set(placed, OrderStatus.EXPIRED)

    def fill(self, placed: ExchangeOrder, lots: int) -> None:
        """Fill at most `lots` of an open order, at its price."""
        order = placed.order
        quantity = min(lots * self.lot, order.quantity - placed.filled)
        asset = self.charged_asset(order.side)
        trade = Trade(
            venue=SIM,
            symbol=self.symbol,
            trade_id=TradeId(f"t{len(self.trades)}"),
            client_order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            quantity=quantity,
            fee=quantity * (1 if asset == "BTC" else order.price) * Decimal("0.00021"),
            fee_asset=asset,
            is_maker=order.post_only,
            time=self.now,
        )
        placed.trades.append(trade)
        self.trades.append(trade)
        self.messages.append(trade)
        is_full = placed.filled == order.quantity
        self._set(placed, OrderStatus.FILLED if is_full else OrderStatus.PARTIALLY_FILLED)

    def sweep(self) -> OpenOrders:
        orders = tuple(
            OpenOrder(
                client_order_id=each.order.client_order_id,
                venue_order_id="",
                side=each.order.side,
                price=each.order.price,
                quantity=each.order.quantity,
                cumulative_quantity=each.filled,
                status=each.status or OrderStatus.NEW,
            )
            for each in self.open()
        )
        return OpenOrders(venue=SIM, symbol=self.symbol, orders=orders, includes=0, time=self.now)

    def _cancel(self, client_order_id: ClientOrderId) -> None:
        placed = self.orders[client_order_id]
        if placed.is_open:
            if self.is_forgetful:
                self._report(placed, OrderStatus.CANCELED, Decimal(0))
            self._set(placed, OrderStatus.CANCELED)
        elif placed.status is None and placed.order.level % 2:
            self._set(placed, OrderStatus.NOT_PLACED)
        else:
            self.messages.append(
                CancelRejected(venue=SIM, symbol=self.symbol, client_order_id=client_order_id, time=self.now)
            )

    def _answer_query(self, client_order_id: ClientOrderId) -> None:
        placed = self.orders[client_order_id]
        if placed.status is not None:
            self.messages += placed.trades
            self._set(placed, placed.status)

    def _set(self, placed: ExchangeOrder, status: OrderStatus) -> None:
        placed.status = status
        self._report(placed, status, placed.filled)

    def _report(self, placed: ExchangeOrder, status: OrderStatus, cumulative: Decimal) -> None:
        self.messages.append(
            OrderReport(
                venue=SIM,
                symbol=self.symbol,
                client_order_id=placed.order.client_order_id,
                status=status,
                cumulative_quantity=cumulative,
                reject_reason=placed.reason,
                time=self.now,
            )
        )
