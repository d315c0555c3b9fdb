"""Orders and the market: who fills, at what price, and what is refused."""

from decimal import Decimal

import pytest

from producers.simulated.matching.engine import Books, Liquidity
from producers.simulated.matching.orders import NewOrder, Refusal
from schemas.units import ClientOrderId, Side, Symbol
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason, Trade
from tests.producers.simulated.examples import (
    PERP,
    PLENTY,
    SPOT,
    START_NS,
    new_books,
    order,
    quote,
    trade_at,
)

BUY, SELL = Side.BUY, Side.SELL
A = ClientOrderId("a")


def place(books: Books, new: NewOrder) -> OrderReport:
    return books.place(new, START_NS)


def told(books: Books, *, at_tick: bool = False) -> list[str]:
    """Return the account events since the last time, in short."""
    events = [update.event for update in books.take_changes(START_NS, at_tick=at_tick).events]
    return [str(e.status) if isinstance(e, OrderReport) else type(e).__name__ for e in events]


def trades(books: Books) -> list[tuple[Decimal, Decimal, bool]]:
    made = books.take_changes(START_NS, at_tick=True).trades
    return [(trade.price, trade.quantity, trade.is_maker) for trade in made]


def refusal(books: Books, new: NewOrder) -> RejectReason:
    with pytest.raises(Refusal) as caught:
        place(books, new)
    return caught.value.reason


def test_the_answer_to_a_placement_is_the_acceptance_though_it_fills_at_once() -> None:
    books = new_books()
    report = place(books, order(BUY, "100.1"))

    assert (report.status, report.cumulative_quantity) == (OrderStatus.NEW, Decimal(0))
    assert told(books) == ["new", "Trade", "filled", "Position", "Balance"]


def test_a_taker_pays_the_other_side_s_best_price() -> None:
    books = new_books()
    place(books, order(BUY, "105.0"))

    assert trades(books) == [(Decimal("100.1"), Decimal(1), False)]


def test_a_taker_gets_no_more_than_the_depth_until_the_next_tick() -> None:
    books = new_books(cash="1000000")
    place(books, order(BUY, "101.0", "150"))
    assert trades(books) == [(Decimal("100.1"), Decimal("99.900"), False)]

    trade_at(books, "100.4")
    assert trades(books) == [(Decimal("100.5"), Decimal("50.100"), False)]


def test_a_resting_order_fills_at_its_price_when_the_market_goes_through() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))
    trade_at(books, "98.0")

    assert trades(books) == [(Decimal("99.0"), Decimal(1), True)]


def test_an_order_that_is_not_reached_rests() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))
    trade_at(books, "99.1")

    assert trades(books) == []


def test_an_order_that_is_touched_waits_for_its_place_in_the_queue() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))
    trade_at(books, "99.0", Liquidity(Decimal(1), Decimal(0)))
    assert trades(books) == []

    trade_at(books, "99.0", Liquidity(Decimal(1), Decimal("0.25")))
    assert trades(books) == [(Decimal("99.0"), Decimal("0.250"), True)]


def test_what_is_traded_in_a_tick_bounds_the_fills_and_the_best_price_comes_first() -> None:
    books = new_books()
    place(books, order(BUY, "98.0", name="far"))
    place(books, order(BUY, "99.0", name="near"))
    trade_at(books, "97.0", Liquidity(Decimal("1.5"), Decimal(0)))

    assert trades(books) == [(Decimal("99.0"), Decimal(1), True), (Decimal("98.0"), Decimal("0.5"), True)]
    assert books.open_orders(PERP)[0].status is OrderStatus.PARTIALLY_FILLED


def test_a_sell_fills_when_the_market_rises_through_it() -> None:
    books = new_books()
    place(books, order(SELL, "101.0"))
    books.trade_at(PERP, quote("101.2", is_rising=True), lambda: PLENTY, START_NS)

    assert trades(books) == [(Decimal("101.0"), Decimal(1), True)]


def test_a_fill_tells_trade_report_and_once_a_tick_the_levels() -> None:
    books = new_books()
    place(books, order(BUY, "99.0", name="a"))
    place(books, order(BUY, "98.0", name="b"))
    told(books)
    trade_at(books, "97.0")

    assert told(books, at_tick=True) == ["Trade", "filled", "Trade", "filled", "Position", "Balance"]


def test_what_an_order_locks_is_told_at_the_next_tick() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))

    assert told(books) == ["new"]
    assert told(books, at_tick=True) == ["Balance"]
    assert told(books, at_tick=True) == []


def test_events_are_numbered_without_a_gap() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))
    trade_at(books, "98.0")
    numbers = [update.sequence for update in books.take_changes(START_NS, at_tick=True).events]

    assert numbers == [1, 2, 3, 4, 5]


def test_a_cancel_answers_with_what_was_filled() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))
    trade_at(books, "98.0", Liquidity(Decimal("0.4"), Decimal(0)))
    report = books.cancel(PERP, A, START_NS + 7)

    assert (report.status, report.cumulative_quantity, report.time) == (
        OrderStatus.CANCELED,
        Decimal("0.4"),
        START_NS + 7,
    )


def test_a_cancel_of_what_is_not_open_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        new_books().cancel(PERP, A, START_NS)

    assert caught.value.reason is RejectReason.NOT_FOUND


def test_an_id_is_free_again_when_its_order_has_ended() -> None:
    books = new_books()
    place(books, order(BUY, "99.0"))
    assert refusal(books, order(BUY, "98.0")) is RejectReason.DUPLICATE_ID

    books.cancel(PERP, A, START_NS)
    assert place(books, order(BUY, "98.0")).status is OrderStatus.NEW


def test_an_order_without_an_id_is_named_by_the_venue() -> None:
    assert place(new_books(), order(BUY, "99.0", name="")).client_order_id == "web-1"


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (order(BUY, "100.1", post_only=True), RejectReason.POST_ONLY_WOULD_CROSS),
        (order(SELL, "100.0", post_only=True), RejectReason.POST_ONLY_WOULD_CROSS),
        (order(SELL, "101.0", reduce_only=True), RejectReason.REDUCE_ONLY),
        (order(BUY, "99.05"), RejectReason.PRECISION),
        (order(BUY, "99.0", "0.0001"), RejectReason.PRECISION),
        (order(BUY, "0"), RejectReason.PRECISION),
        (order(BUY, "NaN"), RejectReason.PRECISION),
        (order(BUY, "1E+99"), RejectReason.PRECISION),
        (order(BUY, "99.0", "0.001"), RejectReason.MINIMUM_NOTIONAL),
        (order(BUY, "99.0", "5000"), RejectReason.INSUFFICIENT_MARGIN),
        (order(BUY, "99.0", symbol=Symbol("DOGE/USDT")), RejectReason.UNKNOWN_SYMBOL),
        (order(SELL, "101.0", "6", symbol=SPOT), RejectReason.INSUFFICIENT_MARGIN),
        (order(BUY, "99.0", name="not allowed"), RejectReason.OTHER),
    ],
)
def test_what_is_refused_leaves_the_books_as_they_were(new: NewOrder, reason: RejectReason) -> None:
    books = new_books()

    assert refusal(books, new) is reason
    assert not books.take_changes(START_NS, at_tick=True).events


def test_a_post_only_order_at_the_own_side_s_best_price_rests() -> None:
    assert place(new_books(), order(BUY, "100.0", post_only=True)).status is OrderStatus.NEW


def test_there_are_only_so_many_open_orders_in_a_symbol() -> None:
    books = new_books(maximum_open_orders=1)
    place(books, order(BUY, "99.0"))

    assert refusal(books, order(BUY, "99.0", name="b")) is RejectReason.OTHER


def test_a_reduce_only_order_fills_up_to_the_position_and_the_rest_expires() -> None:
    books = new_books()
    place(books, order(BUY, "100.1", "1", name="open"))
    place(books, order(SELL, "101.0", "3", reduce_only=True))
    told(books)
    trade_at(books, "102.0")
    changes = books.take_changes(START_NS, at_tick=True)
    end = next(each.event for each in changes.events if isinstance(each.event, OrderReport))

    assert books.account.holdings[PERP].quantity == 0
    assert (end.status, end.cumulative_quantity) == (OrderStatus.EXPIRED, Decimal(1))


def test_the_smallest_rest_of_a_position_can_be_closed() -> None:
    books = new_books()
    place(books, order(BUY, "100.1", "1"))

    assert place(books, order(SELL, "101.0", "0.001", reduce_only=True)).status is OrderStatus.NEW


def test_fees_are_the_maker_s_or_the_taker_s() -> None:
    books = new_books()
    place(books, order(BUY, "100.1", name="taker"))
    place(books, order(BUY, "99.0", name="maker"))
    trade_at(books, "98.0")
    events = books.take_changes(START_NS, at_tick=True).events
    fees = [each.event.fee for each in events if isinstance(each.event, Trade)]

    assert fees == [Decimal("100.1") * Decimal("0.0005"), Decimal("99.0") * Decimal("0.0002")]
