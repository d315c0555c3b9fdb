"""Open orders: sweeps and reports joined by the sequence that a sweep includes."""

from collections.abc import Callable

import pytest

from liveserver.view.open_orders import NOT_LISTED, OpenOrderFold, Order
from schemas.venue.orders import OrderStatus
from tests.liveserver.events import open_order, report, sweep, trade

FILLED = OrderStatus.FILLED


def _ids(fold: OpenOrderFold) -> list[str]:
    return [order.id for order in fold.shown()]


def test_an_order_appears_with_its_report_and_disappears_with_a_terminal_one() -> None:
    fold = OpenOrderFold()

    appeared = fold.report(report("a"), 1)
    ended = fold.report(report("a", FILLED, "1", price=None), 2)

    assert [(order.id, order.status, str(order.price)) for order in appeared + ended] == [
        ("a", OrderStatus.NEW, "99"),
        ("a", FILLED, "99"),
    ]
    assert _ids(fold) == []


def test_a_repeated_report_is_no_news() -> None:
    fold = OpenOrderFold()
    fold.report(report("a"), 1)

    assert fold.report(report("a"), 2) == []


def test_a_late_report_does_not_bring_an_ended_order_back() -> None:
    fold = OpenOrderFold()
    fold.report(report("a", OrderStatus.CANCELED), 1)

    assert fold.report(report("a"), 2) == []
    assert fold.report(report("a", OrderStatus.CANCELED), 3) == []
    assert _ids(fold) == []


def test_an_order_that_a_sweep_does_not_find_is_gone() -> None:
    fold = OpenOrderFold()
    fold.report(report("a"), 5)

    gone = fold.sweep(sweep(includes=5))

    assert [(order.id, order.status, order.detail) for order in gone] == [
        ("a", OrderStatus.CANCELED, NOT_LISTED)
    ]
    assert _ids(fold) == []


def test_an_order_reported_after_what_the_sweep_includes_stays() -> None:
    fold = OpenOrderFold()
    fold.report(report("a"), 6)

    assert fold.sweep(sweep(includes=5)) == []
    assert _ids(fold) == ["a"]


def test_an_order_that_ended_after_what_the_sweep_includes_stays_away() -> None:
    fold = OpenOrderFold()
    fold.report(report("a", FILLED), 6)

    assert fold.sweep(sweep(open_order("a"), includes=5)) == []
    assert _ids(fold) == []


def test_how_an_order_ended_is_told_even_when_a_sweep_missed_it_first() -> None:
    fold = OpenOrderFold()
    fold.report(report("a"), 4)
    fold.sweep(sweep(includes=5))

    assert [order.status for order in fold.report(report("a", FILLED, "1"), 5)] == [FILLED]


def test_an_order_missing_from_one_sweep_is_back_with_the_next() -> None:
    fold = OpenOrderFold()
    fold.sweep(sweep(open_order("a"), includes=5))
    fold.sweep(sweep(includes=5))

    assert [order.id for order in fold.sweep(sweep(open_order("a"), includes=5))] == ["a"]


def test_a_report_that_the_sweep_includes_adds_nothing() -> None:
    fold = OpenOrderFold()
    fold.sweep(sweep(includes=5))

    assert fold.report(report("a"), 5) == []
    assert _ids(fold) == []


def test_an_order_has_filled_at_least_its_trades() -> None:
    fold = OpenOrderFold()
    fold.report(report("a"), 1)

    changed = fold.trade(trade("t1", "a", "0.25"), 2) + fold.trade(trade("t2", "a", "0.5"), 3)
    late = fold.report(report("a", OrderStatus.PARTIALLY_FILLED, "0.25"), 4)

    assert [str(order.filled) for order in changed] == ["0.25", "0.75"]
    assert late == []


def test_an_order_of_unknown_price_is_shown_once_a_sweep_tells_it() -> None:
    fold = OpenOrderFold()

    assert fold.report(report("a", price=None), 6) == []
    assert [order.price for order in fold.sweep(sweep(open_order("a"), includes=5))] == [99]


def test_an_order_placed_by_hand_goes_by_the_venues_id() -> None:
    fold = OpenOrderFold()
    fold.sweep(sweep(open_order(""), includes=5))

    assert _ids(fold) == ["v-"]


Act = Callable[[OpenOrderFold], list[Order]]


@pytest.mark.parametrize("sweep_at", range(6))
def test_the_outcome_does_not_depend_on_when_the_sweep_is_read(sweep_at: int) -> None:
    said: list[Act] = [
        lambda fold: fold.report(report("a"), 1),
        lambda fold: fold.report(report("b"), 2),
        lambda fold: fold.report(report("a", FILLED, "1"), 3),
        lambda fold: fold.report(report("c"), 4),
        lambda fold: fold.report(report("b", OrderStatus.PARTIALLY_FILLED, "0.5"), 5),
    ]
    said.insert(sweep_at, lambda fold: fold.sweep(sweep(open_order("b"), includes=3)))
    fold = OpenOrderFold()
    for act in said:
        act(fold)

    assert [(order.id, str(order.filled)) for order in fold.shown()] == [("b", "0.5"), ("c", "0")]
