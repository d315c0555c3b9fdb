"""Hedge mode: a long and a short position in one symbol, each traded by orders that name it."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
import pytest

from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import NewOrder, VenueRejection
from producers.simulated.parameters import PositionMode, PositionSide
from schemas.units import Side
from schemas.venue.orders import RejectReason
from tests.producers.simulated.examples import PERP, SPOT, START_NS, new_engine, order, quote

BUY, SELL = Side.BUY, Side.SELL
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def new(side: Side, price: str, position: PositionSide, name: str = "a", quantity: str = "1") -> NewOrder:
    return msgspec.structs.replace(order(side, price, quantity, name), position_side=position)


@pytest.fixture
def matching() -> MatchingEngine:
    """An engine with a long position of 2 and a short one of 1."""
    matching = new_engine(mode=PositionMode.HEDGE)
    matching.place(new(BUY, "100.1", LONG, quantity="2"), START_NS)
    matching.place(new(SELL, "100", SHORT), START_NS)
    return matching


def quantities(matching: MatchingEngine) -> list[D]:
    return [each.quantity for each in matching.account.held.of(PERP)]


def test_positions_of_both_sides_stand_beside_each_other(matching: MatchingEngine) -> None:
    assert quantities(matching) == [2, -1]
    assert matching.account.position(PERP, START_NS).quantity == 1  # net
    matching.account.quotes[PERP] = quote("110")
    assert matching.account.position(PERP, START_NS).unrealized_pnl == 2 * D("9.9") - 10


def test_each_needs_its_own_margin(matching: MatchingEngine) -> None:
    assert matching.account.initial_margin(PERP) == D(20) + D(10)  # at the mark price 100


def test_an_order_of_the_other_side_closes_and_never_reverses(matching: MatchingEngine) -> None:
    matching.place(new(SELL, "100", LONG, "b", "5"), START_NS)
    assert quantities(matching) == [0, -1]
    with pytest.raises(VenueRejection) as caught:
        matching.place(new(SELL, "100", LONG, "c"), START_NS)
    assert caught.value.reason is RejectReason.REDUCE_ONLY


def test_an_order_has_to_name_its_position() -> None:
    with pytest.raises(VenueRejection, match="position_side has to be long or short"):
        new_engine(mode=PositionMode.HEDGE).place(order(BUY, "99"), START_NS)
    with pytest.raises(VenueRejection, match="position_side has to be empty"):
        new_engine().place(new(BUY, "99", LONG), START_NS)


def test_spot_has_one_position(matching: MatchingEngine) -> None:
    assert matching.place(order(BUY, "99", symbol=SPOT), START_NS).cumulative_quantity == 0


def test_funding_is_paid_for_each(matching: MatchingEngine) -> None:
    hour = 3600 * 10**9
    start = START_NS - START_NS % hour
    matching.pay_funding(D("0.01"), hour, start)
    matching.pay_funding(D("0.01"), hour, start + hour)
    assert [each.amount for each in matching.take_changes(START_NS, at_tick=True).fundings] == [-2, 1]
