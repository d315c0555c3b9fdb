"""Open orders: listings and reports joined by the sequence that a listing includes."""

from collections.abc import Callable

import pytest

from liveserver.view.open_orders import NOT_LISTED, OpenOrderFold, Order
from schemas.venue.orders import OrderStatus
from tests.liveserver.events import open_order, report, sweep, trade

FILLED = OrderStatus.FILLED


def _ids(fold: OpenOrderFold) -> list[str]:
    return [order.id for order in fold.displayed()]


def test_order_opens_with_a_report_and_ends_with_a_terminal_one() -> None:
    fold = OpenOrderFold()

    appeared = fold.apply_report(report("a"), 1)
    ended = fold.apply_report(report("a", FILLED, "1", price=None), 2)

    assert [(order.id, order.status, str(order.price)) for order in appeared + ended] == [
        ("a", OrderStatus.NEW, "99"),
        ("a", FILLED, "99"),
    ]
    assert _ids(fold) == []


def test_repeated_report_is_ignored() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a"), 1)

    assert fold.apply_report(report("a"), 2) == []


def test_late_report_does_not_reopen_an_ended_order() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a", OrderStatus.CANCELED), 1)

    assert fold.apply_report(report("a"), 2) == []
    assert fold.apply_report(report("a", OrderStatus.CANCELED), 3) == []
    assert _ids(fold) == []


def test_order_missing_in_a_listing_is_ended() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a"), 5)

    gone = fold.apply_listing(sweep(includes=5))

    assert [(order.id, order.status, order.detail) for order in gone] == [
        ("a", OrderStatus.CANCELED, NOT_LISTED)
    ]
    assert _ids(fold) == []


def test_order_newer_than_the_listing_stays_open() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a"), 6)

    assert fold.apply_listing(sweep(includes=5)) == []
    assert _ids(fold) == ["a"]


def test_order_ended_after_the_listing_is_not_reopened() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a", FILLED), 6)

    assert fold.apply_listing(sweep(open_order("a"), includes=5)) == []
    assert _ids(fold) == []


def test_terminal_report_after_a_listing_without_the_order_is_published() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a"), 4)
    fold.apply_listing(sweep(includes=5))

    assert [order.status for order in fold.apply_report(report("a", FILLED, "1"), 5)] == [FILLED]


def test_order_missing_in_one_listing_is_reopened_by_the_next() -> None:
    fold = OpenOrderFold()
    fold.apply_listing(sweep(open_order("a"), includes=5))
    fold.apply_listing(sweep(includes=5))

    assert [order.id for order in fold.apply_listing(sweep(open_order("a"), includes=5))] == ["a"]


def test_report_included_in_the_listing_is_ignored() -> None:
    fold = OpenOrderFold()
    fold.apply_listing(sweep(includes=5))

    assert fold.apply_report(report("a"), 5) == []
    assert _ids(fold) == []


def test_filled_quantity_is_at_least_the_sum_of_trades() -> None:
    fold = OpenOrderFold()
    fold.apply_report(report("a"), 1)

    changed = fold.apply_trade(trade("t1", "a", "0.25"), 2) + fold.apply_trade(trade("t2", "a", "0.5"), 3)
    late = fold.apply_report(report("a", OrderStatus.PARTIALLY_FILLED, "0.25"), 4)

    assert [str(order.filled) for order in changed] == ["0.25", "0.75"]
    assert late == []


def test_order_without_price_is_displayed_after_a_listing() -> None:
    fold = OpenOrderFold()

    assert fold.apply_report(report("a", price=None), 6) == []
    assert [order.price for order in fold.apply_listing(sweep(open_order("a"), includes=5))] == [99]


def test_manual_order_is_identified_by_the_venue_id() -> None:
    fold = OpenOrderFold()
    fold.apply_listing(sweep(open_order(""), includes=5))

    assert _ids(fold) == ["v-"]


Step = Callable[[OpenOrderFold], list[Order]]


@pytest.mark.parametrize("listed_at", range(6))
def test_final_state_is_independent_of_when_the_listing_is_read(listed_at: int) -> None:
    steps: list[Step] = [
        lambda fold: fold.apply_report(report("a"), 1),
        lambda fold: fold.apply_report(report("b"), 2),
        lambda fold: fold.apply_report(report("a", FILLED, "1"), 3),
        lambda fold: fold.apply_report(report("c"), 4),
        lambda fold: fold.apply_report(report("b", OrderStatus.PARTIALLY_FILLED, "0.5"), 5),
    ]
    steps.insert(listed_at, lambda fold: fold.apply_listing(sweep(open_order("b"), includes=3)))
    fold = OpenOrderFold()
    for step in steps:
        step(fold)

    assert [(order.id, str(order.filled)) for order in fold.displayed()] == [("b", "0.5"), ("c", "0")]
