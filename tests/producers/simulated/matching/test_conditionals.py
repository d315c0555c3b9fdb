"""Conditional orders: triggered by the mark price, sent as child orders with ids of their own."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
import pytest

from producers.simulated.listing import Depth, Quote
from producers.simulated.matching.conditionals import (
    MAX_OPEN_CONDITIONALS,
    Conditional,
    ConditionalKind,
    ConditionalStatus,
    NewConditional,
)
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import VenueRejection
from schemas.units import ClientOrderId, Side
from schemas.venue.instruments import InstrumentStatus
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.producers.simulated.examples import AMPLE_LIQUIDITY, PERP, PERPETUAL, START_NS, new_engine, order

BUY, SELL = Side.BUY, Side.SELL
STOP = NewConditional(
    symbol=PERP, side=SELL, trigger_price=D(90), quantity=D(1), client_order_id=ClientOrderId("guard")
)


def engine() -> MatchingEngine:
    """Return an engine with a position of 1 entered at 100.1."""
    matching = new_engine()
    matching.place(order(BUY, "100.1", "1", "open"), START_NS)
    matching.take_changes(START_NS, at_tick=False)
    return matching


def move(matching: MatchingEngine, last: str, mark: str) -> None:
    quote = Quote(D(last), D(last) + D("0.1"), D(last), mark=D(mark))
    matching.apply_tick(PERP, quote, lambda: AMPLE_LIQUIDITY, START_NS + 1)


def conditional(matching: MatchingEngine) -> Conditional:
    """Return the conditional order that changed last."""
    changed = matching.take_changes(START_NS, at_tick=True)
    return list(changed.conditionals.values())[-1]


def rejection(matching: MatchingEngine, **changes: object) -> RejectReason:
    with pytest.raises(VenueRejection) as caught:
        matching.place_conditional(msgspec.structs.replace(STOP, **changes), START_NS)
    return caught.value.reason


def test_a_stop_is_triggered_by_the_mark_price_alone() -> None:
    matching = engine()
    matching.place_conditional(STOP, START_NS)
    move(matching, "80", "90.1")
    assert matching.account.holdings[PERP].quantity == 1
    move(matching, "95", "90")
    assert matching.account.holdings[PERP].quantity == 0


def test_the_child_order_has_an_id_of_its_own() -> None:
    matching = engine()
    matching.place_conditional(STOP, START_NS)
    move(matching, "89", "89")
    changes = matching.take_changes(START_NS, at_tick=True)
    (parent,) = changes.conditionals.values()
    assert (parent.status, parent.new.client_order_id) == (ConditionalStatus.TRIGGERED, "guard")
    assert parent.child_order_id == "stop-2"
    (trade,) = changes.trades
    assert (trade.client_order_id, trade.side, trade.price) == ("stop-2", SELL, D(89))
    reports = [each.event for each in changes.events if isinstance(each.event, OrderReport)]
    assert [(each.client_order_id, each.status) for each in reports] == [
        ("stop-2", OrderStatus.NEW),
        ("stop-2", OrderStatus.FILLED),
    ]


def test_the_child_only_reduces_the_position() -> None:
    matching = engine()
    matching.place_conditional(
        NewConditional(
            symbol=PERP, side=SELL, trigger_price=D(90), quantity=D(5), client_order_id=ClientOrderId("big")
        ),
        START_NS,
    )
    move(matching, "89", "89")
    assert matching.account.holdings[PERP].quantity == 0


def test_a_trigger_without_a_position_ends_as_rejected() -> None:
    matching = new_engine()
    matching.place_conditional(STOP, START_NS)
    move(matching, "89", "89")
    found = conditional(matching)
    assert (found.status, found.child_order_id) == (ConditionalStatus.REJECTED, "")
    assert "no position" in found.detail
    assert matching.triggers.of(PERP) == []


def test_a_limit_child_rests_at_its_price() -> None:
    matching = engine()
    new = NewConditional(
        symbol=PERP,
        side=SELL,
        trigger_price=D(90),
        price=D(91),
        quantity=D(1),
        client_order_id=ClientOrderId("limit"),
    )
    matching.place_conditional(new, START_NS)
    move(matching, "89", "89")
    (child,) = matching.open_orders(PERP)
    assert (child.client_order_id, child.price, child.reduce_only) == ("stop-2", D(91), True)


def test_what_a_market_child_cannot_fill_at_once_expires() -> None:
    matching = new_engine(cash="1000000")
    matching.place(order(BUY, "100.1", "90", "open"), START_NS)
    matching.place_conditional(
        NewConditional(
            symbol=PERP, side=SELL, trigger_price=D(90), quantity=D(90), client_order_id=ClientOrderId("all")
        ),
        START_NS,
    )
    depth = Depth(key=1, notional=D(890), levels=1, step=D("0.1"))
    quote = Quote(D(89), D("89.1"), D(89), mark=D(89), depth=depth)
    matching.apply_tick(PERP, quote, lambda: AMPLE_LIQUIDITY, START_NS)
    assert matching.account.holdings[PERP].quantity == 80
    assert matching.open_orders(PERP) == []


def test_a_take_profit_is_triggered_in_favor_of_the_position() -> None:
    matching = engine()
    new = NewConditional(
        symbol=PERP,
        side=SELL,
        trigger_price=D(110),
        quantity=D(1),
        client_order_id=ClientOrderId("profit"),
        kind=ConditionalKind.TAKE_PROFIT,
    )
    matching.place_conditional(new, START_NS)
    move(matching, "90", "90")
    assert matching.account.holdings[PERP].quantity == 1
    move(matching, "110", "110")
    assert matching.account.holdings[PERP].quantity == 0


def test_a_canceled_conditional_is_not_triggered() -> None:
    matching = engine()
    matching.place_conditional(STOP, START_NS)
    matching.triggers.cancel(PERP, STOP.client_order_id, START_NS)
    move(matching, "89", "89")
    assert conditional(matching).status is ConditionalStatus.CANCELED
    assert matching.account.holdings[PERP].quantity == 1
    with pytest.raises(VenueRejection) as caught:
        matching.triggers.cancel(PERP, STOP.client_order_id, START_NS)
    assert caught.value.reason is RejectReason.NOT_FOUND


def test_nothing_is_triggered_while_the_symbol_is_halted() -> None:
    matching = engine()
    matching.place_conditional(STOP, START_NS)
    matching.replace_rules(msgspec.structs.replace(PERPETUAL, status=InstrumentStatus.HALTED), START_NS)
    move(matching, "89", "89")
    assert len(matching.triggers.of(PERP)) == 1
    assert rejection(matching, client_order_id=ClientOrderId("b")) is RejectReason.NOT_TRADING


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trigger_price": D(100)}, RejectReason.OTHER),  # at once
        ({"side": BUY}, RejectReason.OTHER),  # the mark is above already
        ({"trigger_price": D("90.05")}, RejectReason.PRECISION),
        ({"quantity": D("0.0001")}, RejectReason.PRECISION),
        ({"price": D("90.05")}, RejectReason.PRECISION),
        ({"client_order_id": ClientOrderId("")}, RejectReason.OTHER),
        ({"client_order_id": ClientOrderId("not allowed")}, RejectReason.OTHER),
        ({"symbol": "DOGE/USDT"}, RejectReason.UNKNOWN_SYMBOL),
    ],
)
def test_an_invalid_conditional_is_rejected(changes: dict[str, object], reason: RejectReason) -> None:
    assert rejection(engine(), **changes) is reason


def test_ids_are_unique_and_their_number_is_limited() -> None:
    matching = engine()
    matching.place_conditional(STOP, START_NS)
    assert rejection(matching) is RejectReason.DUPLICATE_ID
    for number in range(MAX_OPEN_CONDITIONALS - 1):
        name = ClientOrderId(f"c{number}")
        matching.place_conditional(
            NewConditional(symbol=PERP, side=SELL, trigger_price=D(90), quantity=D(1), client_order_id=name),
            START_NS,
        )
    assert rejection(matching, client_order_id=ClientOrderId("more")) is RejectReason.OTHER
