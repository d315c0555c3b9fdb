"""Fill models: what a touch, a trade through and a recorded volume fill."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import pytest

from producers.simulated.listing import Depth, Liquidity, Quote
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.parameters import FillModel, FillSettings
from schemas.units import ClientOrderId, Side
from tests.producers.simulated.examples import (
    PERP,
    START_NS,
    apply_tick,
    new_engine,
    order,
    recorded,
)

BUY, SELL = Side.BUY, Side.SELL
LITTLE = Liquidity(D("0.056"), D(0))
"""Less than any of the orders."""


def engine(model: FillModel, **fields: object) -> MatchingEngine:
    return new_engine(fills=FillSettings(model=model), **fields)  # type: ignore[arg-type]


def filled(matching: MatchingEngine) -> list[tuple[D, D]]:
    """Return price and quantity of the trades since the last call."""
    return [(t.price, t.quantity) for t in matching.take_changes(START_NS, at_tick=True).trades]


def ahead(matching: MatchingEngine, name: str = "a") -> D:
    found = matching.open_order(PERP, ClientOrderId(name))
    assert found is not None
    return found.queue_ahead


@pytest.mark.parametrize("model", FillModel)
def test_a_price_that_trades_through_ten_bids_fills_them_and_the_book_is_not_crossed(
    model: FillModel,
) -> None:
    matching = engine(model)
    for level in range(1, 11):
        matching.place(order(BUY, f"{100 - level}", "0.95", name=f"l{level}"), START_NS)
    apply_tick(matching, "89.0", LITTLE)
    assert filled(matching) == [(D(100 - level), D("0.950")) for level in range(1, 11)]
    assert matching.open_orders(PERP) == []


@pytest.mark.parametrize("model", FillModel)
def test_a_recorded_volume_limits_what_the_ticks_of_its_candle_fill(model: FillModel) -> None:
    matching = engine(model)
    matching.place(order(BUY, "99", "5"), START_NS)
    apply_tick(matching, "98", recorded("2", candle=1))
    assert filled(matching) == [(D(99), D(2))]
    apply_tick(matching, "98", recorded("2", candle=1))
    assert filled(matching) == []
    apply_tick(matching, "98", recorded("2.5", candle=2))
    assert filled(matching) == [(D(99), D("2.5"))]


def test_a_recorded_volume_is_counted_over_a_restart() -> None:
    matching = engine(FillModel.THROUGH)
    matching.place(order(BUY, "99", "5"), START_NS)
    apply_tick(matching, "98", recorded("2"))
    assert matching.counters.candle_fills[PERP].quantity == 2


@pytest.mark.parametrize(
    ("model", "touched"),
    [(FillModel.OPTIMISTIC, [(D(99), D("0.5"))]), (FillModel.QUEUE, []), (FillModel.THROUGH, [])],
)
def test_a_touch_fills_by_the_model(model: FillModel, touched: list[tuple[D, D]]) -> None:
    matching = engine(model)
    matching.place(order(BUY, "99"), START_NS)
    apply_tick(matching, "99", Liquidity(D(1), D("0.5")))
    assert filled(matching) == touched


def test_the_queue_ahead_is_what_the_book_displays_at_the_price() -> None:
    matching = engine(FillModel.QUEUE)
    matching.place(order(BUY, "99"), START_NS)
    assert ahead(matching) == D("101.010")  # 10,000 at 99, to the lot


def test_the_queue_ahead_follows_the_levels_and_the_last_one_stands_for_what_is_beyond() -> None:
    matching = engine(FillModel.QUEUE)
    depth = Depth(key=1, notional=D(1000), levels=3, step=D("0.1"), growth=1.0)
    matching.account.quotes[PERP] = Quote(D(100), D("100.1"), D(100), depth=depth)
    for name, price in (("best", "100"), ("second", "99.9"), ("beyond", "50")):
        matching.place(order(BUY, price, name=name), START_NS)
    assert [ahead(matching, name) for name in ("best", "second", "beyond")] == [D(10), D("20.020"), D(60)]


def test_an_order_that_improves_the_best_price_is_first() -> None:
    matching = engine(FillModel.QUEUE)
    matching.account.quotes[PERP] = Quote(D(100), D(101), D(100))
    matching.place(order(BUY, "100.5"), START_NS)
    assert ahead(matching) == 0


def test_an_order_is_filled_once_the_queue_ahead_of_it_has_traded_at_its_price() -> None:
    matching = engine(FillModel.QUEUE, depth_notional=D(990))
    matching.place(order(BUY, "99"), START_NS)
    assert ahead(matching) == 10
    apply_tick(matching, "99", Liquidity(D(4), D(1)))
    apply_tick(matching, "99.1", Liquidity(D(100), D(1)))  # trades elsewhere
    assert (filled(matching), ahead(matching)) == ([], D(6))
    apply_tick(matching, "99", Liquidity(D("6.25"), D(1)))
    assert filled(matching) == [(D(99), D("0.25"))]
    apply_tick(matching, "99", Liquidity(D(5), D(1)))
    assert filled(matching) == [(D(99), D("0.75"))]


def test_own_orders_at_one_price_stand_behind_each_other_in_one_queue() -> None:
    """Ten ahead of the first, then one of ours, then five of others, then ours again."""
    matching = engine(FillModel.QUEUE, depth_notional=D(990))
    matching.place(order(BUY, "99", name="first"), START_NS)
    depth = Depth(key=1, notional=D(1485), levels=1, step=D("0.1"))
    matching.account.quotes[PERP] = Quote(D(100), D("100.1"), D(100), depth=depth)
    matching.place(order(BUY, "99", name="second"), START_NS)
    assert (ahead(matching, "first"), ahead(matching, "second")) == (D(10), D(15))
    apply_tick(matching, "99", Liquidity(D(14), D(1)))
    assert filled(matching) == [(D(99), D(1))]
    assert ahead(matching, "second") == 2
    apply_tick(matching, "99", Liquidity(D(3), D(1)))
    assert filled(matching) == [(D(99), D(1))]


def test_the_place_in_the_queue_is_part_of_the_stored_order() -> None:
    matching = engine(FillModel.QUEUE, depth_notional=D(990))
    matching.place(order(BUY, "99"), START_NS)
    matching.take_changes(START_NS, at_tick=True)
    apply_tick(matching, "99", Liquidity(D(4), D(1)))
    (stored,) = matching.take_changes(START_NS, at_tick=True).orders.values()
    assert stored.queue_ahead == 6


def test_the_models_are_bounds_of_each_other() -> None:
    """Over the same ticks `optimistic` fills at least as much as `queue`, and `queue` as much as `through`."""
    total = {}
    for model in FillModel:
        matching = engine(model, depth_notional=D(500))
        for level in range(90, 100):
            matching.place(order(BUY, f"{level}", name=f"l{level}"), START_NS)
        for last in ("98", "97", "97", "95.5", "95", "95", "96"):
            apply_tick(matching, last, Liquidity(D(3), D(1)))
        total[model] = sum(quantity for _, quantity in filled(matching))
    assert total == {FillModel.OPTIMISTIC: 5, FillModel.QUEUE: D("4.737"), FillModel.THROUGH: 4}
