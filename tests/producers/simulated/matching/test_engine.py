"""Matching engine: fills, prices, events and rejections."""

from decimal import Decimal

import pytest

from producers.simulated.listing import Liquidity
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import NewOrder, VenueRejection
from schemas.units import ClientOrderId, Side, Symbol
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason, Trade
from tests.producers.simulated.examples import (
    AMPLE_LIQUIDITY,
    PERP,
    SPOT,
    START_NS,
    apply_tick,
    new_engine,
    order,
    quote,
    recorded,
)

BUY, SELL = Side.BUY, Side.SELL
A = ClientOrderId("a")


def place(matching: MatchingEngine, new: NewOrder) -> OrderReport:
    return matching.place(new, START_NS)


def published(matching: MatchingEngine, *, at_tick: bool = False) -> list[str]:
    """Return the account events since the last call: the status of reports, the type of others."""
    events = [update.event for update in matching.take_changes(START_NS, at_tick=at_tick).events]
    return [str(e.status) if isinstance(e, OrderReport) else type(e).__name__ for e in events]


def trades(matching: MatchingEngine) -> list[tuple[Decimal, Decimal, bool]]:
    changes = matching.take_changes(START_NS, at_tick=True)
    return [(trade.price, trade.quantity, trade.is_maker) for trade in changes.trades]


def rejection(matching: MatchingEngine, new: NewOrder) -> RejectReason:
    with pytest.raises(VenueRejection) as caught:
        place(matching, new)
    return caught.value.reason


def test_place_returns_the_acceptance_even_if_the_order_fills_at_once() -> None:
    matching = new_engine()
    report = place(matching, order(BUY, "100.1"))

    assert (report.status, report.cumulative_quantity) == (OrderStatus.NEW, Decimal(0))
    assert published(matching) == ["new", "Trade", "filled", "Position", "Balance"]


def test_taker_trades_at_the_opposite_best_price() -> None:
    matching = new_engine()
    place(matching, order(BUY, "105.0"))

    assert trades(matching) == [(Decimal("100.1"), Decimal(1), False)]


def test_taker_is_limited_to_the_depth_of_a_tick() -> None:
    matching = new_engine(cash="1000000")
    place(matching, order(BUY, "101.0", "150"))
    assert trades(matching) == [(Decimal("100.1"), Decimal("99.900"), False)]

    apply_tick(matching, "100.4")
    assert trades(matching) == [(Decimal("100.5"), Decimal("50.100"), False)]


def test_resting_order_fills_at_its_price_when_traded_through() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))
    apply_tick(matching, "98.0")

    assert trades(matching) == [(Decimal("99.0"), Decimal(1), True)]


def test_order_that_is_not_reached_rests() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))
    apply_tick(matching, "99.1")

    assert trades(matching) == []


def test_touched_order_fills_from_its_queue_share() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))
    apply_tick(matching, "99.0", Liquidity(Decimal(1), Decimal(0)))
    assert trades(matching) == []

    apply_tick(matching, "99.0", Liquidity(Decimal(1), Decimal("0.25")))
    assert trades(matching) == [(Decimal("99.0"), Decimal("0.250"), True)]


def test_recorded_volume_limits_fills_and_best_price_has_priority() -> None:
    matching = new_engine()
    place(matching, order(BUY, "98.0", name="far"))
    place(matching, order(BUY, "99.0", name="near"))
    apply_tick(matching, "97.0", recorded("1.5"))

    assert trades(matching) == [(Decimal("99.0"), Decimal(1), True), (Decimal("98.0"), Decimal("0.5"), True)]
    assert matching.open_orders(PERP)[0].status is OrderStatus.PARTIALLY_FILLED


def test_sell_fills_when_the_market_rises_through_it() -> None:
    matching = new_engine()
    place(matching, order(SELL, "101.0"))
    matching.apply_tick(PERP, quote("101.2", is_rising=True), lambda: AMPLE_LIQUIDITY, START_NS)

    assert trades(matching) == [(Decimal("101.0"), Decimal(1), True)]


def test_fills_publish_trade_and_report_then_position_and_balance_once_per_tick() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0", name="a"))
    place(matching, order(BUY, "98.0", name="b"))
    published(matching)
    apply_tick(matching, "97.0")

    assert published(matching, at_tick=True) == ["Trade", "filled", "Trade", "filled", "Position", "Balance"]


def test_locked_amount_is_published_at_the_next_tick() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))

    assert published(matching) == ["new"]
    assert published(matching, at_tick=True) == ["Balance"]
    assert published(matching, at_tick=True) == []


def test_events_are_numbered_without_gaps() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))
    apply_tick(matching, "98.0")
    numbers = [update.sequence for update in matching.take_changes(START_NS, at_tick=True).events]

    assert numbers == [1, 2, 3, 4, 5]


def test_cancel_reports_the_filled_quantity() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))
    apply_tick(matching, "98.0", recorded("0.4"))
    report = matching.cancel(PERP, A, START_NS + 7)

    assert (report.status, report.cumulative_quantity, report.time) == (
        OrderStatus.CANCELED,
        Decimal("0.4"),
        START_NS + 7,
    )


def test_cancel_of_an_order_that_is_not_open_is_rejected() -> None:
    with pytest.raises(VenueRejection) as caught:
        new_engine().cancel(PERP, A, START_NS)

    assert caught.value.reason is RejectReason.NOT_FOUND


def test_id_can_be_reused_after_its_order_has_ended() -> None:
    matching = new_engine()
    place(matching, order(BUY, "99.0"))
    assert rejection(matching, order(BUY, "98.0")) is RejectReason.DUPLICATE_ID

    matching.cancel(PERP, A, START_NS)
    assert place(matching, order(BUY, "98.0")).status is OrderStatus.NEW


def test_order_without_id_is_assigned_one() -> None:
    assert place(new_engine(), order(BUY, "99.0", name="")).client_order_id == "web-1"


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
def test_rejected_order_changes_nothing(new: NewOrder, reason: RejectReason) -> None:
    matching = new_engine()

    assert rejection(matching, new) is reason
    assert not matching.take_changes(START_NS, at_tick=True).events


def test_post_only_order_at_its_own_best_price_rests() -> None:
    assert place(new_engine(), order(BUY, "100.0", post_only=True)).status is OrderStatus.NEW


def test_open_orders_per_symbol_are_limited() -> None:
    matching = new_engine(maximum_open_orders=1)
    place(matching, order(BUY, "99.0"))

    assert rejection(matching, order(BUY, "99.0", name="b")) is RejectReason.OTHER


def test_reduce_only_order_fills_up_to_the_position_and_expires() -> None:
    matching = new_engine()
    place(matching, order(BUY, "100.1", "1", name="open"))
    place(matching, order(SELL, "101.0", "3", reduce_only=True))
    published(matching)
    apply_tick(matching, "102.0")
    changes = matching.take_changes(START_NS, at_tick=True)
    report = next(each.event for each in changes.events if isinstance(each.event, OrderReport))

    assert matching.account.holdings[PERP].quantity == 0
    assert (report.status, report.cumulative_quantity) == (OrderStatus.EXPIRED, Decimal(1))


def test_position_below_minimum_notional_can_be_closed() -> None:
    matching = new_engine()
    place(matching, order(BUY, "100.1", "1"))

    assert place(matching, order(SELL, "101.0", "0.001", reduce_only=True)).status is OrderStatus.NEW


def test_maker_and_taker_fees_differ() -> None:
    matching = new_engine()
    place(matching, order(BUY, "100.1", name="taker"))
    place(matching, order(BUY, "99.0", name="maker"))
    apply_tick(matching, "98.0")
    events = matching.take_changes(START_NS, at_tick=True).events
    fees = [each.event.fee for each in events if isinstance(each.event, Trade)]

    assert fees == [Decimal("100.1") * Decimal("0.0005"), Decimal("99.0") * Decimal("0.0002")]
