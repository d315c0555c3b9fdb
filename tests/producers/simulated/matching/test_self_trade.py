"""Self-trade prevention: orders of the account that would meet."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import pytest

from producers.simulated.listing import Quote
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import VenueRejection
from producers.simulated.parameters import SelfTradePrevention
from schemas.units import Side
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason
from tests.producers.simulated.examples import PERP, START_NS, new_engine, order

BUY, SELL = Side.BUY, Side.SELL
WIDE = Quote(D(95), D(105), D(100))


def engine(prevention: SelfTradePrevention) -> MatchingEngine:
    """Return an engine with an own sell order at 100, inside of a wide spread."""
    matching = new_engine(self_trade_prevention=prevention)
    matching.account.quotes[PERP] = WIDE
    matching.place(order(SELL, "100", "1", "maker"), START_NS)
    matching.take_changes(START_NS, at_tick=True)
    return matching


def ended(matching: MatchingEngine) -> dict[str, OrderStatus]:
    events = [each.event for each in matching.take_changes(START_NS, at_tick=True).events]
    reports = [each for each in events if isinstance(each, OrderReport) and each.status.is_terminal]
    return {each.client_order_id: each.status for each in reports}


@pytest.mark.parametrize(
    ("prevention", "expired"),
    [
        (SelfTradePrevention.IGNORE, []),
        (SelfTradePrevention.EXPIRE_TAKER, ["taker"]),
        (SelfTradePrevention.EXPIRE_MAKER, ["maker"]),
        (SelfTradePrevention.EXPIRE_BOTH, ["maker", "taker"]),
    ],
)
def test_orders_that_would_meet_expire_by_the_setting(
    prevention: SelfTradePrevention, expired: list[str]
) -> None:
    matching = engine(prevention)
    matching.place(order(BUY, "101", "1", "taker"), START_NS)
    assert ended(matching) == dict.fromkeys(expired, OrderStatus.EXPIRED)
    assert matching.counters.trade == 0


def test_a_taker_trades_first_with_better_prices_of_others() -> None:
    matching = engine(SelfTradePrevention.EXPIRE_TAKER)
    matching.account.quotes[PERP] = Quote(D(95), D("99.9"), D(100))
    matching.place(order(BUY, "101", "500", "taker"), START_NS)
    changes = matching.take_changes(START_NS, at_tick=True)
    assert [(each.price, each.quantity) for each in changes.trades] == [(D("99.9"), D("100.100"))]
    (taker,) = [each for each in changes.orders.values() if each.client_order_id == "taker"]
    assert (taker.status, taker.detail) == (OrderStatus.EXPIRED, "self-trade prevention")


def test_a_taker_that_is_filled_before_it_meets_an_own_order_is_left_alone() -> None:
    matching = engine(SelfTradePrevention.EXPIRE_BOTH)
    matching.account.quotes[PERP] = Quote(D(95), D("99.9"), D(100))
    matching.place(order(BUY, "101", "1", "taker"), START_NS)
    assert ended(matching) == {"taker": OrderStatus.FILLED}


def test_a_post_only_order_that_would_meet_an_own_order_is_rejected() -> None:
    with pytest.raises(VenueRejection) as caught:
        engine(SelfTradePrevention.EXPIRE_MAKER).place(
            order(BUY, "100", name="taker", post_only=True), START_NS
        )
    assert caught.value.reason is RejectReason.POST_ONLY_WOULD_CROSS


def test_orders_that_do_not_meet_rest() -> None:
    matching = engine(SelfTradePrevention.EXPIRE_BOTH)
    matching.place(order(BUY, "99.9", "1", "other"), START_NS)
    assert ended(matching) == {}
    assert len(matching.open_orders(PERP)) == 2
