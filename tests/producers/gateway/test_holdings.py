"""Opening orders of a symbol, from risk summaries, intents and order events; compared with those in the engine's state."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway.holdings import OrderEvent, SymbolHoldings
from schemas.engine.journal import RiskSummary
from schemas.grid.state import GridState, Slot, SlotOrder
from schemas.units import Money, Side, TradeId
from schemas.venue.orders import OrderStatus, PlaceOrder, Trade
from tests.builders import REPORT, STATE, TRADE
from tests.producers.simulated.examples import decision

PRICE = D(100)


def risk(position: str) -> RiskSummary:
    return RiskSummary(generation=1, position=D(position), price=PRICE, booked_through=0)


def trade(order: PlaceOrder, quantity: str, trade_id: str = "t1") -> OrderEvent:
    return msgspec.structs.replace(
        TRADE,
        client_order_id=order.client_order_id,
        trade_id=TradeId(trade_id),
        side=order.side,
        quantity=D(quantity),
    )


def ended(order: PlaceOrder, status: OrderStatus = OrderStatus.CANCELED) -> OrderEvent:
    return msgspec.structs.replace(REPORT, client_order_id=order.client_order_id, status=status)


BUY = decision(Side.BUY, "100", "a", quantity="2")


def holding(position: str = "0", included: int = 0) -> SymbolHoldings:
    found = SymbolHoldings()
    found.apply(risk(position), included)
    found.count(BUY)
    return found


def test_a_trade_counts_as_position_or_as_remaining_quantity_and_never_as_neither() -> None:
    found = holding()
    found.on_order_event(7, trade(BUY, "1.5"))
    assert found.worst_case(None) == 200
    found.apply(risk("1.5"), 7)
    assert found.worst_case(None) == 200
    assert found.orders[BUY.client_order_id].notional == 50


def test_a_step_that_was_read_before_the_trade_includes_it() -> None:
    found = holding("1.5", included=7)
    found.on_order_event(7, trade(BUY, "1.5"))
    assert found.worst_case(None) == 200


def test_a_trade_that_is_stored_twice_counts_once() -> None:
    found = holding("1.5", included=9)
    found.on_order_event(7, trade(BUY, "1.5"))
    found.on_order_event(8, trade(BUY, "1.5"))
    assert found.orders[BUY.client_order_id].notional == 50


def test_an_ended_order_counts_until_a_step_includes_its_report_but_is_not_canceled_again() -> None:
    found = holding()
    found.on_order_event(7, ended(BUY))
    assert found.worst_case(None) == 200
    assert found.working == []
    found.apply(risk("0"), 7)
    assert found.worst_case(None) == 0


def test_closing_orders_do_not_count() -> None:
    found = SymbolHoldings()
    found.count(msgspec.structs.replace(BUY, opens=False))
    assert found.orders == {}


class History:
    """A random history of one symbol: orders, their trades and ends, as stored in ORDERS."""

    def __init__(self) -> None:
        self.orders: list[PlaceOrder] = []
        self.events: list[OrderEvent] = []

    def place(self, side: Side, quantity: int, *, opens: bool) -> PlaceOrder:
        order = decision(side, "100", f"n{len(self.orders)}", quantity=str(quantity))
        self.orders.append(msgspec.structs.replace(order, opens=opens))
        return self.orders[-1]

    def remaining(self, order: PlaceOrder, included: int) -> int:
        """Return the open quantity once so many events are applied; 0 when the order has ended."""
        left = order.quantity
        for event in self.events[:included]:
            if event.client_order_id != order.client_order_id:
                continue
            if not isinstance(event, Trade):
                return 0
            left -= event.quantity
        return int(left)

    def state(self, included: int) -> GridState:
        """Return the state of an engine that has applied so many events, as steps of version 1 contain it."""
        slots = {}
        for level, order in enumerate(self.orders):
            if left := self.remaining(order, included):
                slot_order = SlotOrder(
                    client_order_id=order.client_order_id,
                    side=order.side,
                    price=order.price,
                    quantity=order.quantity,
                    opens=order.opens,
                    traded_quantity=order.quantity - left,
                )
                slots[level] = Slot(level=level, cycle=1, order=slot_order)
        accounts = msgspec.structs.replace(STATE.accounts, position=self.position(included))
        return msgspec.structs.replace(STATE, price=PRICE, accounts=accounts, slots=slots)

    def position(self, included: int) -> D:
        trades = (event for event in self.events[:included] if isinstance(event, Trade))
        return sum((event.side.sign * event.quantity for event in trades), D(0))

    def worst_case(self, included: int) -> Money:
        found = SymbolHoldings()
        found.apply_state(self.state(included), included)
        return found.worst_case(None)


class Lagging:
    """Holdings that read a history, and steps of its engine, with delay."""

    def __init__(self, *, has_closing: bool) -> None:
        self.has_closing = has_closing
        self.history = History()
        self.holdings = SymbolHoldings()
        self.included = self.read_through = 0
        self.step(0)

    def place(self, number: int) -> None:
        opens = not self.has_closing or number % 3 > 0
        side = Side.BUY if number % 2 else Side.SELL
        self.holdings.count(self.history.place(side, 1 + number % 4, opens=opens))

    def trade(self, number: int) -> None:
        for order, left in self._open_order(number):
            quantity = 1 + number % left
            self.history.events.append(trade(order, str(quantity), f"t{len(self.history.events)}"))
            if quantity == left:
                self.history.events.append(ended(order, OrderStatus.FILLED))

    def end(self, number: int) -> None:
        for order, _ in self._open_order(number):
            self.history.events.append(ended(order))

    def read(self, number: int) -> None:
        for event in self.history.events[self.read_through : self.read_through + number]:
            self.read_through += 1
            self.holdings.on_order_event(self.read_through, event)

    def step(self, number: int) -> None:
        self.included = min(self.included + number, len(self.history.events))
        self.holdings.apply(risk(str(self.history.position(self.included))), self.included)

    def _open_order(self, number: int) -> list[tuple[PlaceOrder, int]]:
        count = len(self.history.events)
        found = [(order, self.history.remaining(order, count)) for order in self.history.orders]
        return [each for each in found if each[1]][number % 5 :][:1]


@given(
    st.lists(st.tuples(st.sampled_from(["place", "trade", "end", "read", "step"]), st.integers(0, 30))),
    st.booleans(),
)
def test_the_worst_case_is_that_of_the_engines_state_and_never_smaller(
    actions: list[tuple[str, int]], has_closing: bool
) -> None:
    run = Lagging(has_closing=has_closing)
    for action, number in actions:
        getattr(run, action)(number)
        found, in_state = run.holdings.worst_case(None), run.history.worst_case(run.included)
        assert found >= in_state
        assert found == in_state or run.read_through < run.included
        # Of opening orders alone, not even the engine's delay makes it smaller than the truth.
        assert has_closing or found >= run.history.worst_case(len(run.history.events))
