"""Depth: taker orders walk the levels, and what they took is offered again only later."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

from producers.simulated.listing import Depth, Quote
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.parameters import BookSettings
from schemas.units import SECOND_NS, Side
from tests.producers.simulated.examples import AMPLE_LIQUIDITY, PERP, START_NS, new_engine, order

BUY, SELL = Side.BUY, Side.SELL
DEPTH = Depth(key=1, notional=D(100), levels=3, step=D("0.5"))
QUOTE = Quote(D(99), D(100), D(100), depth=DEPTH)


def engine(**book: object) -> MatchingEngine:
    matching = new_engine(book=BookSettings(levels=3, **book))  # type: ignore[arg-type]
    matching.account.quotes[PERP] = QUOTE
    return matching


def trades(matching: MatchingEngine) -> list[tuple[D, D]]:
    return [(t.price, t.quantity) for t in matching.take_changes(START_NS, at_tick=True).trades]


def test_a_taker_walks_the_levels_up_to_its_price() -> None:
    matching = engine()
    matching.place(order(BUY, "100.7", "5"), START_NS)
    assert trades(matching) == [(D(100), D(1)), (D("100.5"), D("0.995"))]
    assert matching.open_orders(PERP)[0].remaining == D("3.005")


def test_a_seller_walks_down() -> None:
    matching = engine()
    matching.place(order(SELL, "98", "2.5"), START_NS)
    assert trades(matching) == [(D(99), D("1.010")), (D("98.5"), D("1.015")), (D(98), D("0.475"))]


def test_taken_depth_is_back_with_the_next_tick_without_a_refill_time() -> None:
    matching = engine()
    matching.place(order(BUY, "100", "5"), START_NS)
    matching.apply_tick(PERP, QUOTE, lambda: AMPLE_LIQUIDITY, START_NS + SECOND_NS)
    assert trades(matching) == [(D(100), D(1)), (D(100), D(1))]


def test_taken_depth_comes_back_linearly_over_the_refill_time() -> None:
    matching = engine(refill=10 * SECOND_NS)
    matching.place(order(BUY, "100", "1"), START_NS)
    matching.apply_tick(PERP, QUOTE, lambda: AMPLE_LIQUIDITY, START_NS + 4 * SECOND_NS)
    matching.place(order(BUY, "100", "1", "b"), START_NS + 4 * SECOND_NS)
    assert trades(matching) == [(D(100), D(1)), (D(100), D("0.4"))]
    assert matching.open_orders(PERP)[0].remaining == D("0.6")


def test_levels_grow_and_vary_within_their_bounds_by_the_key_alone() -> None:
    depth = Depth(key=7, notional=D(100), levels=5, step=D(1), growth=0.5, variation=0.2)
    sizes = [depth.notional_at(BUY, level) for level in range(5)]
    assert all(80 * (1 + level / 2) <= size <= 120 * (1 + level / 2) for level, size in enumerate(sizes))
    assert len(set(sizes)) == 5
    assert sizes == [Depth(7, D(100), 5, D(1), 0.5, 0.2).notional_at(BUY, level) for level in range(5)]
    assert sizes[0] != depth.notional_at(SELL, 0)
    assert depth.notional_at(BUY, 5) == 0
