"""A small exchange for the property tests: honest books, and word of them that comes in any order, twice, or not at all."""

from dataclasses import dataclass, field
from decimal import Decimal

from schemas.units import ClientOrderId, TimeNs, TradeId
from schemas.venue.account import OpenOrder, OpenOrders
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
from tests.engine.core.examples import BTC, SIM

News = OrderReport | CancelRejected | Trade


@dataclass
class Booked:
    """An order as the exchange has it; `status` is None while the request is on its way."""

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
    """Books that nobody can argue with; `news` is what was said and not heard yet."""

    def __init__(self, lot: Decimal, *, is_forgetful: bool = False) -> None:
        self.lot = lot
        self.is_forgetful = is_forgetful
        """Its answer to a cancel knows of no fills; they are told afterwards."""
        self.now: TimeNs = 0
        self.books: dict[ClientOrderId, Booked] = {}
        self.news: list[News] = []
        self.trades: list[Trade] = []

    def carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                assert decision.client_order_id not in self.books, "an id was used twice"
                at_level = [each for each in self.books.values() if each.order.level == decision.level]
                assert not any(each.is_live for each in at_level), "two orders of one slot"
                self.books[decision.client_order_id] = Booked(decision)
            case CancelOrder():
                self._cancel(decision.client_order_id)
            case QueryOrder():
                self._answer(decision.client_order_id)

    def live(self) -> list[Booked]:
        return [each for each in self.books.values() if each.is_live]

    def on_their_way(self) -> list[Booked]:
        return [each for each in self.books.values() if each.status is None]

    def open(self) -> list[Booked]:
        return [each for each in self.books.values() if each.is_open]

    def accept(self, booked: Booked) -> None:
        self._set(booked, OrderStatus.NEW)

    def refuse(self, booked: Booked, reason: RejectReason) -> None:
        booked.reason = reason
        self._set(booked, OrderStatus.REJECTED)

    def lose_request(self, booked: Booked) -> None:
        self._set(booked, OrderStatus.NOT_PLACED)

    def end(self, booked: Booked) -> None:
        """End an order by the exchange's own decision."""
        self._set(booked, OrderStatus.EXPIRED)

    def fill(self, booked: Booked, lots: int) -> None:
        """Fill at most so many lots of an open order, at its price."""
        order = booked.order
        quantity = min(lots * self.lot, order.quantity - booked.filled)
        trade = Trade(
            venue=SIM,
            symbol=BTC,
            trade_id=TradeId(f"t{len(self.trades)}"),
            client_order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            quantity=quantity,
            fee=quantity * order.price * Decimal("0.00021"),
            fee_asset="USDT",
            is_maker=order.post_only,
            time=self.now,
        )
        booked.trades.append(trade)
        self.trades.append(trade)
        self.news.append(trade)
        is_full = booked.filled == order.quantity
        self._set(booked, OrderStatus.FILLED if is_full else OrderStatus.PARTIALLY_FILLED)

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
        return OpenOrders(venue=SIM, symbol=BTC, orders=orders, includes=0, time=self.now)

    def _cancel(self, client_order_id: ClientOrderId) -> None:
        booked = self.books[client_order_id]
        if booked.is_open:
            if self.is_forgetful:
                self._say(booked, OrderStatus.CANCELED, Decimal(0))
            self._set(booked, OrderStatus.CANCELED)
        elif booked.status is None and booked.order.level % 2:
            self._set(booked, OrderStatus.NOT_PLACED)
        else:
            self.news.append(
                CancelRejected(venue=SIM, symbol=BTC, client_order_id=client_order_id, time=self.now)
            )

    def _answer(self, client_order_id: ClientOrderId) -> None:
        booked = self.books[client_order_id]
        if booked.status is not None:
            self.news += booked.trades
            self._set(booked, booked.status)

    def _set(self, booked: Booked, status: OrderStatus) -> None:
        booked.status = status
        self._say(booked, status, booked.filled)

    def _say(self, booked: Booked, status: OrderStatus, cumulative: Decimal) -> None:
        self.news.append(
            OrderReport(
                venue=SIM,
                symbol=BTC,
                client_order_id=booked.order.client_order_id,
                status=status,
                cumulative_quantity=cumulative,
                reject_reason=booked.reason,
                time=self.now,
            )
        )
