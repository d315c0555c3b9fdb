"""Latency in market time: the market moves while a request is on its way."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import pytest

from producers.simulated.matching.engine import MatchingEngine
from schemas.units import MILLISECOND_NS, SECOND_NS, ClientOrderId, Side
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.producers.simulated.examples import AMPLE_LIQUIDITY, PERP, START_NS, new_engine, order, quote

BUY, SELL = Side.BUY, Side.SELL
A = ClientOrderId("a")
DELAY = 300 * MILLISECOND_NS


def tick(matching: MatchingEngine, last: str, after_ms: int) -> list[object]:
    """Apply a tick and return what happened to the order: statuses, and prices of trades."""
    time = START_NS + after_ms * MILLISECOND_NS
    matching.apply_tick(PERP, quote(last), lambda: AMPLE_LIQUIDITY, time)
    changes = matching.take_changes(time, at_tick=True)
    reports = [e.event.status for e in changes.events if isinstance(e.event, OrderReport)]
    return [*[trade.price for trade in changes.trades], *reports]


@pytest.fixture
def matching() -> MatchingEngine:
    return new_engine()


def test_an_order_on_its_way_is_accepted_and_not_filled(matching: MatchingEngine) -> None:
    report = matching.place(order(BUY, "99"), START_NS, DELAY)
    assert report.status is OrderStatus.NEW
    matching.take_changes(START_NS, at_tick=False)
    assert tick(matching, "98", 250) == []
    assert tick(matching, "98.5", 500) == [D("98.1"), OrderStatus.FILLED]  # at the quote of its arrival


def test_a_taker_trades_on_the_quote_that_it_meets(matching: MatchingEngine) -> None:
    matching.place(order(BUY, "101"), START_NS, DELAY)
    matching.take_changes(START_NS, at_tick=False)
    assert tick(matching, "100.4", 250) == []
    assert tick(matching, "100.0", 500) == [D("100.5"), OrderStatus.FILLED]


def test_a_post_only_order_is_rejected_on_arrival_if_the_market_has_come_to_it(
    matching: MatchingEngine,
) -> None:
    matching.place(order(BUY, "99", post_only=True), START_NS, DELAY)
    tick(matching, "98", 250)
    time = START_NS + 500 * MILLISECOND_NS
    matching.apply_tick(PERP, quote("98"), lambda: AMPLE_LIQUIDITY, time)
    (report,) = [
        each.event
        for each in matching.take_changes(time, at_tick=True).events
        if isinstance(each.event, OrderReport)
    ]
    assert (report.status, report.reject_reason) == (
        OrderStatus.REJECTED,
        RejectReason.POST_ONLY_WOULD_CROSS,
    )
    assert matching.open_orders(PERP) == []


def test_an_order_may_fill_before_its_cancel_arrives(matching: MatchingEngine) -> None:
    matching.place(order(BUY, "99"), START_NS)
    report = matching.cancel(PERP, A, START_NS, DELAY)
    assert report.status is OrderStatus.NEW
    matching.take_changes(START_NS, at_tick=False)
    assert tick(matching, "98", 250) == [D(99), OrderStatus.FILLED]
    assert tick(matching, "98", 500) == []


def test_a_cancel_that_has_arrived_comes_before_the_tick(matching: MatchingEngine) -> None:
    matching.place(order(BUY, "99"), START_NS)
    matching.cancel(PERP, A, START_NS, DELAY)
    assert matching.cancel(PERP, A, START_NS + 1, DELAY).status is OrderStatus.NEW  # repeated
    matching.take_changes(START_NS, at_tick=False)
    assert tick(matching, "98", 300) == [OrderStatus.CANCELED]


def test_an_order_that_is_canceled_on_its_way_never_arrives(matching: MatchingEngine) -> None:
    matching.place(order(BUY, "101"), START_NS, 10 * SECOND_NS)
    matching.cancel(PERP, A, START_NS)
    matching.take_changes(START_NS, at_tick=False)
    assert tick(matching, "98", 20_000) == []
