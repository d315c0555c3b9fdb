"""Positions marked at the market's own prices, without a step of their grids."""

from decimal import Decimal

import msgspec
import pytest

from engine.portfolio.marks import Marks
from schemas.engine.portfolio_journal import SymbolSeen
from schemas.units import SECOND_NS
from schemas.venue.market import Ticker
from tests.builders import BTC, SIM, VIEW

D = Decimal
START = 1_700_000_000 * SECOND_NS
HELD = msgspec.structs.replace(
    VIEW, venue=SIM, symbol=BTC, position=D(1), price=D(1000), total_profit=D("-6.6"), time=START
)


def at(price: str, seconds: float = 1, *, mark: str = "0", spread: str = "0") -> Ticker:
    half = D(spread) / 2
    return Ticker(
        venue=SIM,
        symbol=BTC,
        bid=D(price) - half,
        ask=D(price) + half,
        last=D(price),
        mark=D(mark),
        time=START + int(seconds * SECOND_NS),
    )


def held(**changes: object) -> Marks:
    marks = Marks()
    marks.on_grid(msgspec.structs.replace(HELD, **changes))
    return marks


def figures(seen: SymbolSeen | None) -> tuple[Decimal, Decimal] | None:
    return None if seen is None else (seen.price, seen.total_profit)


def test_a_falling_price_is_seen_without_a_step_of_the_grid() -> None:
    marks = held()
    for second in range(1, 10):
        assert marks.on_ticker(at(str(1000 - 50 * second), second)) is not None
    assert figures(marks.on_ticker(at("500", 10))) == (D(500), D("-506.6"))


def test_a_price_counts_each_second_or_when_it_moved() -> None:
    marks = held()
    assert marks.on_ticker(at("999.5", 0.5)) is None
    assert figures(marks.on_ticker(at("998.9", 0.6))) == (D("998.9"), D("-7.7"))
    assert marks.on_ticker(at("998.8", 1.5)) is None
    assert figures(marks.on_ticker(at("998.8", 1.6))) == (D("998.8"), D("-7.8"))


def test_a_later_step_of_the_grid_keeps_a_newer_mark_and_replaces_an_older_one() -> None:
    marks = held()
    marks.on_ticker(at("950", 5))
    grid = msgspec.structs.replace(HELD, price=D(990), total_profit=D("-16.6"), time=START + 4 * SECOND_NS)
    assert figures(marks.on_grid(grid)) == (D(950), D("-56.6"))
    newer = msgspec.structs.replace(grid, time=START + 6 * SECOND_NS)
    assert figures(marks.on_grid(newer)) == (D(990), D("-16.6"))


def test_the_mark_price_counts_where_the_venue_has_one_else_the_middle() -> None:
    assert figures(held().on_ticker(at("900", mark="980"))) == (D(980), D("-26.6"))
    middle = msgspec.structs.replace(at("960", spread="20"), last=D(900))
    assert figures(held().on_ticker(middle)) == (D(960), D("-46.6"))


def test_one_price_far_away_is_not_believed_a_second_one_is() -> None:
    marks = held()
    assert marks.on_ticker(at("10", 1)) is None
    assert marks.on_ticker(at("1000", 2)) is not None
    assert marks.on_ticker(at("10", 3)) is None
    assert figures(marks.on_ticker(at("10.5", 4))) == (D("10.5"), D("-996.1"))


@pytest.mark.parametrize(
    "wrong", [at("NaN"), at("Infinity"), msgspec.structs.replace(at("990"), ask=D("0.1"))]
)
def test_a_wrong_ticker_does_not_count(wrong: Ticker) -> None:
    assert held().on_ticker(wrong) is None


def test_a_symbol_that_holds_nothing_or_is_unknown_is_not_marked() -> None:
    assert held(position=D(0)).on_ticker(at("900")) is None
    assert held(price=None).on_ticker(at("900")) is None
    assert Marks().on_ticker(at("900")) is None
