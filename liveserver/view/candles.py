"""The candles of one market and interval: the newest closed ones and the forming one."""

from bisect import insort

from liveserver.protocol.server_messages import CandleData
from liveserver.view import rendering
from schemas.units import TimeNs
from schemas.venue.market import Candle

MAX_CANDLES = 1500
"""Candles kept of one market and interval."""


class CandleSeries:
    """Folds candles in any order of arrival; a forming candle never replaces a closed one."""

    def __init__(self) -> None:
        self._times: list[TimeNs] = []
        self._candles: dict[TimeNs, Candle] = {}
        self._rows: dict[TimeNs, CandleData] = {}
        self._history: tuple[CandleData, ...] | None = None

    def apply(self, candle: Candle) -> CandleData | None:
        """Apply a candle; return its row if it changed, None also for a candle older than the full series."""
        known = self._candles.get(candle.open_time)
        if known is not None and _rank(known) > _rank(candle):
            return None
        if known is None and len(self._times) >= MAX_CANDLES and candle.open_time < self._times[0]:
            return None
        row = rendering.candle(candle)
        if row == self._rows.get(candle.open_time):
            return None
        self._store(candle, row)
        return row

    def history(self) -> tuple[CandleData, ...]:
        """Return all rows, oldest first; the same object while nothing changes."""
        if self._history is None:
            self._history = tuple(self._rows[time] for time in self._times)
        return self._history

    def _store(self, candle: Candle, row: CandleData) -> None:
        time = candle.open_time
        if time not in self._candles:
            insort(self._times, time)
        self._candles[time] = candle
        self._rows[time] = row
        self._history = None
        if len(self._times) > MAX_CANDLES:
            oldest = self._times.pop(0)
            del self._candles[oldest], self._rows[oldest]


def _rank(candle: Candle) -> tuple[bool, TimeNs]:
    return candle.closed, candle.time
