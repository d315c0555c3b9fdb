"""Margin: mark price, isolated and cross positions, liquidation price, bankruptcy and the insurance fund."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
import pytest

from producers.simulated.listing import Depth, Quote
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.parameters import BookSettings, MarginMode
from schemas.units import Side
from schemas.venue.instruments import LeverageBracket
from schemas.venue.orders import OrderStatus, Trade
from tests.producers.simulated.examples import PERP, PERPETUAL, SPOT, START_NS, new_engine, order

BUY, SELL = Side.BUY, Side.SELL
FREE = msgspec.structs.replace(PERPETUAL, taker_fee=D(0), maker_fee=D(0))
BRACKETS = tuple(
    LeverageBracket(
        notional_floor=D(floor), notional_cap=cap, maximum_leverage=D(20), maintenance_ratio=D(ratio)
    )
    for floor, cap, ratio in ((0, D(150), "0.01"), (150, None, "0.1"))
)


def engine(side: Side = BUY, quantity: str = "10", *, cash: str = "1000", **fields: object) -> MatchingEngine:
    """Return an engine with a position entered at 100, without fees."""
    matching = new_engine(cash=cash, maintenance_ratio=D("0.05"), **fields)  # type: ignore[arg-type]
    matching.replace_rules(fields.get("rules", FREE), START_NS)  # type: ignore[arg-type]
    matching.account.quotes[PERP] = Quote(D(100), D(100), D(100))
    matching.place(order(side, "100", quantity), START_NS)
    matching.take_changes(START_NS, at_tick=False)
    return matching


def move(matching: MatchingEngine, last: str, mark: str | None = None, *, depth: Depth | None = None) -> None:
    price = D(last)
    matching.account.quotes[PERP] = Quote(price, price, price, mark=mark and D(mark), depth=depth)  # type: ignore[arg-type]


def liquidated(matching: MatchingEngine) -> list[Trade]:
    matching.take_changes(START_NS, at_tick=True)
    matching.liquidate(START_NS)
    return matching.take_changes(START_NS, at_tick=True).trades


def total(matching: MatchingEngine) -> D:
    return matching.account.wallets["USDT"].total


def test_profit_and_margin_are_at_the_mark_price() -> None:
    matching = engine()
    move(matching, "150", "110")
    position = matching.account.position(PERP, START_NS)
    assert (position.mark_price, position.unrealized_pnl) == (D(110), D(100))
    assert matching.account.balance("USDT", START_NS).unrealized_pnl == 100
    assert matching.account.initial_margin(PERP) == D(110)  # 1100 at leverage 10


def test_a_last_price_far_off_does_not_liquidate() -> None:
    matching = engine(cash="110")
    move(matching, "10", "100")
    assert liquidated(matching) == []
    move(matching, "100", "93")
    assert len(liquidated(matching)) == 1


@pytest.mark.parametrize(
    ("side", "expected"),
    # 110 + q (p - 100) = 0.05 |q| p with |q| = 10: long 890 / 9.5, short 1110 / 10.5.
    [(BUY, D("93.7")), (SELL, D("105.7"))],
)
def test_the_liquidation_price_is_where_equity_meets_maintenance(side: Side, expected: D) -> None:
    matching = engine(side, cash="110")
    assert matching.account.position(PERP, START_NS).liquidation_price == expected
    step = D("0.2") * side.sign
    move(matching, str(expected + step))
    assert liquidated(matching) == []
    move(matching, str(expected - step))
    assert len(liquidated(matching)) == 1


def test_the_liquidation_price_follows_the_brackets() -> None:
    """At 1400 x 0.1 - 13.5 of maintenance: 110 + 14 p - 1400 = 1.4 p - 13.5, so p = 1276.5 / 12.6."""
    matching = engine(
        quantity="14", cash="150", rules=msgspec.structs.replace(FREE, leverage_brackets=BRACKETS)
    )
    price = matching.account.position(PERP, START_NS).liquidation_price
    assert price == D("98.1")  # (1400 - 150 - 13.5) / 12.6 = 98.134
    move(matching, "98.2")
    assert liquidated(matching) == []
    move(matching, "98.1")
    assert len(liquidated(matching)) == 1


def test_no_position_and_no_maintenance_have_no_liquidation_price() -> None:
    matching = engine(cash="5000", quantity="1")
    assert matching.account.position(PERP, START_NS).liquidation_price is None  # covered down to 0
    assert matching.account.position(SPOT, START_NS).liquidation_price is None


@pytest.mark.parametrize(("side", "gap", "price"), [(BUY, "50", "89"), (SELL, "150", "111")])
def test_a_gap_beyond_the_balance_is_paid_by_the_insurance_fund(side: Side, gap: str, price: str) -> None:
    """110 cover 11 of a move of 50 on 10 contracts; the fund takes the position at the bankruptcy price."""
    matching = engine(side, cash="110")
    move(matching, gap)
    (trade,) = liquidated(matching)
    assert abs(trade.price - D(price)) <= D("0.1")
    assert 0 <= total(matching) <= 1
    assert matching.account.holdings[PERP].quantity == 0
    assert matching.counters.insurance_paid == 10 * abs(trade.price - D(gap))


def test_a_liquidation_walks_the_book() -> None:
    matching = engine(cash="200", book=BookSettings(levels=2))
    move(matching, "84", depth=Depth(key=1, notional=D(504), levels=2, step=D(1)))
    trades = liquidated(matching)
    assert [(each.price, each.quantity) for each in trades] == [(D(84), D(6)), (D(83), D(4))]
    assert {each.venue_order_id for each in trades} == {"liquidation"}
    assert total(matching) == 200 - 96 - 68


def test_the_balance_pays_the_fee_of_a_liquidation_and_stays_above_zero() -> None:
    matching = engine(cash="110")
    matching.replace_rules(PERPETUAL, START_NS)
    move(matching, "50")
    (trade,) = liquidated(matching)
    assert trade.fee > 0
    assert 0 <= total(matching) <= 1


def test_a_cross_liquidation_cancels_all_orders_that_the_balance_covers() -> None:
    matching = engine(cash="150")
    matching.place(order(BUY, "90", "0.1", "perp"), START_NS)
    matching.place(order(BUY, "90", "0.1", "spot", symbol=SPOT), START_NS)
    matching.place(order(SELL, "110", "1", "other", symbol=SPOT), START_NS)
    move(matching, "87")
    matching.liquidate(START_NS)
    changed = matching.take_changes(START_NS, at_tick=True).orders.values()
    assert [each.client_order_id for each in changed if each.status is OrderStatus.CANCELED] == [
        "perp",
        "spot",
        "other",
    ]


def isolated(side: Side = BUY) -> MatchingEngine:
    return engine(side, cash="1000", margin_mode=MarginMode.ISOLATED)


def test_an_isolated_position_sets_its_margin_apart() -> None:
    matching = isolated()
    assert matching.account.holdings[PERP].margin == 100
    assert matching.account.balance("USDT", START_NS).free == 900
    move(matching, "95")
    assert matching.account.balance("USDT", START_NS).free == 900  # the loss is its own


def test_an_isolated_position_loses_its_margin_at_most() -> None:
    matching = isolated()
    assert matching.account.position(PERP, START_NS).liquidation_price == D("94.7")  # 900 / 9.5
    move(matching, "94.8")
    assert liquidated(matching) == []
    move(matching, "50")
    (trade,) = liquidated(matching)
    assert trade.price == D("90.1")
    assert total(matching) == D(901)
    assert matching.account.holdings[PERP].margin == 0


def test_closing_a_part_releases_its_share_of_isolated_margin() -> None:
    matching = isolated()
    matching.place(order(SELL, "100", "4", "b"), START_NS)
    assert matching.account.holdings[PERP].margin == 60
    assert matching.account.balance("USDT", START_NS).free == 940


def test_funding_is_paid_from_isolated_margin() -> None:
    matching = isolated()
    hour = 3600 * 10**9
    matching.pay_funding(D("0.01"), hour, START_NS - START_NS % hour)
    matching.pay_funding(D("0.01"), hour, START_NS - START_NS % hour + hour)
    assert matching.account.holdings[PERP].margin == 90
    assert total(matching) == 990


def test_a_cross_position_is_covered_by_the_whole_balance() -> None:
    matching = engine(cash="1000")
    move(matching, "50")
    assert liquidated(matching) == []
