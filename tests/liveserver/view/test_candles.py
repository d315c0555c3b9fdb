"""Candles: in order, bounded, and a closed one stays closed."""

from liveserver.view.candles import KEPT, CandleSeries
from tests.liveserver.events import START_S, candle


def _times(series: CandleSeries) -> list[int]:
    return [(row.time - START_S) // 60 for row in series.history()]


def test_candles_come_back_in_order_whatever_the_order_they_came_in() -> None:
    series = CandleSeries()
    for minute in (3, 1, 2):
        series.apply(candle(minute))

    assert _times(series) == [1, 2, 3]


def test_a_forming_candle_changes_until_it_closes() -> None:
    series = CandleSeries()

    forming = series.apply(candle(1, "100", closed=False, time=61))
    closed = series.apply(candle(1, "101"))
    late = series.apply(candle(1, "99", closed=False, time=119.5))

    assert forming is not None
    assert forming.forming
    assert closed is not None
    assert (closed.close, closed.forming) == ("101", False)
    assert late is None
    assert [row.close for row in series.history()] == ["101"]


def test_a_repeated_candle_is_no_news() -> None:
    series = CandleSeries()

    assert series.apply(candle(1)) is not None
    assert series.apply(candle(1)) is None


def test_the_oldest_candles_make_room() -> None:
    series = CandleSeries()
    for minute in range(KEPT + 2):
        series.apply(candle(minute))

    assert series.apply(candle(0)) is None
    assert (_times(series)[0], len(series.history())) == (2, KEPT)


def test_the_history_is_made_once_while_nothing_changes() -> None:
    series = CandleSeries()
    series.apply(candle(1))

    assert series.history() is series.history()
