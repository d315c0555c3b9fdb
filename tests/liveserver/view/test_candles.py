"""Candles: ordered, bounded, and final once closed."""

from liveserver.view.candles import MAX_CANDLES, CandleSeries
from tests.liveserver.events import START_S, candle


def _times(series: CandleSeries) -> list[int]:
    return [(row.time - START_S) // 60 for row in series.history()]


def test_candles_are_ordered_by_time() -> None:
    series = CandleSeries()
    for minute in (3, 1, 2):
        series.apply(candle(minute))

    assert _times(series) == [1, 2, 3]


def test_forming_candle_is_updated_until_closed() -> None:
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


def test_repeated_candle_is_ignored() -> None:
    series = CandleSeries()

    assert series.apply(candle(1)) is not None
    assert series.apply(candle(1)) is None


def test_oldest_candles_are_dropped() -> None:
    series = CandleSeries()
    for minute in range(MAX_CANDLES + 2):
        series.apply(candle(minute))

    assert series.apply(candle(0)) is None
    assert (_times(series)[0], len(series.history())) == (2, MAX_CANDLES)


def test_history_is_cached_until_a_change() -> None:
    series = CandleSeries()
    series.apply(candle(1))

    assert series.history() is series.history()
