"""Recorded candles replayed as ticks.

Each candle becomes four ticks: open, low, high, close if it closes at or above its open, otherwise open, high, low,
close. Their times are 0, 1/3, 2/3 and the whole of the interval, less one millisecond at the end. All symbols advance
together by time. A symbol without a candle at that time does not change, and its next tick reports the gap. A tick
depends on its number alone.
"""

from bisect import bisect_right
from decimal import Decimal
from pathlib import Path

import msgspec

from producers.simulated.listing import VolumeLimit
from producers.simulated.market.book import QuoteMaker
from producers.simulated.market.candle_files import RecordingError, Row, Series, read_candles
from producers.simulated.market.mark import rounded_mean
from producers.simulated.market.tape import HISTORY_CANDLES, Progress, Tick
from producers.simulated.settings import RecordingSettings, VenueSettings
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs, Price, Quantity, Symbol, TimeNs
from schemas.venue.instruments import InstrumentKind
from schemas.venue.market import Candle

TICKS_PER_CANDLE = 4
"""Open, the two extremes, close."""
VOLUME_STEP = Decimal("0.00000001")
MAX_MARK_PRICES = 64
"""Upper bound of the prices of which the mark price is the mean."""
STRESS_CANDLES = 20
RANGE_DEVIATIONS = 1.6
"""Mean range of a candle of a random walk, in standard deviations of its return (Feller 1951: the square root of 8/pi)."""
INTERVAL_NAMES = {
    1: "1s",
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1h",
    14400: "4h",
    86400: "1d",
}


class RecordingTape:
    """Tape of recorded markets, one file per symbol."""

    def __init__(self, settings: VenueSettings, recording: RecordingSettings) -> None:
        """Read the files.

        Raises: RecordingError when one is invalid, or their intervals differ, or the warm-up leaves no candle.
        """
        self._symbols = {s.instrument.symbol: s for s in settings.symbols}
        self._recording = recording
        paths = {symbol: Path(recording.paths[symbol]) for symbol in self._symbols}
        self._series = {
            symbol: read_candles(paths[symbol], s.instrument.tick_size) for symbol, s in self._symbols.items()
        }
        self._quotes = {symbol: QuoteMaker(settings, s) for symbol, s in self._symbols.items()}
        self._widens = settings.book.spread_widening > 0
        self._index_window = settings.marks.index_window
        self._interval = next(iter(self._series.values())).interval
        for symbol, series in self._series.items():
            if series.interval != self._interval or self._interval // SECOND_NS not in INTERVAL_NAMES:
                raise RecordingError(
                    paths[symbol], 0, f"unsupported or differing candle interval: {series.interval / 1e9:g} s"
                )
        self.interval = INTERVAL_NAMES[self._interval // SECOND_NS]
        self._times = sorted({time for series in self._series.values() for time in series.times})
        default = min(HISTORY_CANDLES, len(self._times) // 10)
        self._warmup = default if recording.warmup is None else recording.warmup
        if self._warmup >= len(self._times):
            raise RecordingError(
                next(iter(paths.values())), 0, f"warmup {self._warmup} leaves no candle to replay"
            )
        self.last_tick: int | None = (len(self._times) - self._warmup) * TICKS_PER_CANDLE - 1
        self._tick = 0

    def flaws(self) -> dict[Symbol, dict[str, int]]:
        """Return the number of missing candles and of rounded prices of each file."""
        return {
            symbol: {"missing_candles": series.gaps, "prices_off_tick": series.off_tick}
            for symbol, series in self._series.items()
        }

    def mean_ranges(self) -> dict[Symbol, Price]:
        """Return the mean of high less low over all candles that are replayed or history, by symbol, to the tick."""
        return {symbol: series.mean_range() for symbol, series in self._series.items()}

    def time(self, tick: int, now: TimeNs) -> TimeNs:
        slot, phase = divmod(tick, TICKS_PER_CANDLE)
        return self._times[self._warmup + slot] + _offset(phase, self._interval)

    def advance(self, tick: int, time: TimeNs) -> list[Tick]:
        self._tick = tick
        open_time = self._candle_open_time(tick)
        return [
            self._tick_of(symbol, index, tick % TICKS_PER_CANDLE, time)
            for symbol, index in ((symbol, self._index_at(symbol, open_time)) for symbol in self._symbols)
            if index >= 0 and self._series[symbol].times[index] == open_time
        ]

    def snapshot(self, tick: int, time: TimeNs) -> list[Tick]:
        self._tick = tick
        open_time = self._candle_open_time(tick)
        ticks = []
        for symbol in self._symbols:
            index = self._index_at(symbol, open_time)
            if index < 0:
                ticks.append(self._tick_of(symbol, 0, 0, time)._replace(candles=()))
            elif self._series[symbol].times[index] == open_time:
                ticks.append(self._tick_of(symbol, index, tick % TICKS_PER_CANDLE, time))
            else:
                ticks.append(self._tick_of(symbol, index, TICKS_PER_CANDLE - 1, time))
        return [tick._replace(gap="") for tick in ticks]

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle] | None:
        if interval != self.interval:
            return None
        open_time = self._candle_open_time(self._tick)
        index = self._index_at(symbol, open_time)
        candles = [
            self._candle(symbol, i, TICKS_PER_CANDLE - 1) for i in range(max(0, index + 1 - limit), index + 1)
        ]
        if candles and candles[-1].open_time == open_time:
            candles[-1] = self._candle(symbol, index, self._tick % TICKS_PER_CANDLE)
        return candles

    def progress(self, tick: int) -> Progress | None:
        return Progress(tick // TICKS_PER_CANDLE + 1, len(self._times) - self._warmup, "candle")

    def _candle_open_time(self, tick: int) -> TimeNs:
        return self._times[self._warmup + tick // TICKS_PER_CANDLE]

    def _index_at(self, symbol: Symbol, open_time: TimeNs) -> int:
        return bisect_right(self._series[symbol].times, open_time) - 1

    def _tick_of(self, symbol: Symbol, index: int, phase: int, time: TimeNs) -> Tick:
        series = self._series[symbol]
        path = _path(series[index])
        previous = path[phase - 1] if phase else series[index - 1].close if index else path[0]
        quote = self._quotes[symbol].quote(
            path[phase],
            index * TICKS_PER_CANDLE + phase,
            is_rising=path[phase] > previous,
            stress=_stress(series, index) if self._widens else 0.0,
        )
        if self._index_window and self._symbols[symbol].instrument.kind is InstrumentKind.LINEAR_PERPETUAL:
            quote = msgspec.structs.replace(quote, mark=self._mark(symbol, index, phase))
        gap = self._gap(series, index) if phase == 0 else ""
        candle = self._candle(symbol, index, phase)
        return Tick(symbol, quote, (candle,), gap, self._limit(series, symbol, index), TICKS_PER_CANDLE)

    def _limit(self, series: Series, symbol: Symbol, index: int) -> VolumeLimit | None:
        if not series.has_volume:
            return None
        return VolumeLimit(series.times[index], self._volume(series[index]))

    def _mark(self, symbol: Symbol, index: int, phase: int) -> Price:
        """Return the mean of the prices within the index window, this one included: a recording has no others."""
        series, number = self._series[symbol], index * TICKS_PER_CANDLE + phase
        step = self._interval // (TICKS_PER_CANDLE - 1)
        count = min(1 + self._index_window // step, MAX_MARK_PRICES, number + 1)
        places = (divmod(each, TICKS_PER_CANDLE) for each in range(number - count + 1, number + 1))
        prices = [_path(series[i])[each] for i, each in places]
        return rounded_mean(prices, series.tick_size)

    def _volume(self, row: Row) -> Quantity:
        is_quote = self._recording.volume == "quote"
        return (row.volume / row.close).quantize(VOLUME_STEP) if is_quote else row.volume

    def _gap(self, series: Series, index: int) -> str:
        if index == 0:
            return ""
        missing = (series.times[index] - series.times[index - 1]) // self._interval - 1
        return f"the recording lacks {missing} candles" if missing else ""

    def _candle(self, symbol: Symbol, index: int, phase: int) -> Candle:
        row = self._series[symbol][index]
        traded = _path(row)[: phase + 1]
        is_quote, volume = self._recording.volume == "quote", self._volume(row)
        if phase < TICKS_PER_CANDLE - 1:
            volume = (volume * (phase + 1) / TICKS_PER_CANDLE).quantize(VOLUME_STEP)
        return Candle(
            venue=self._symbols[symbol].instrument.venue,
            symbol=symbol,
            interval=self.interval,
            open_time=row.open_time,
            open=row.open,
            high=max(traded),
            low=min(traded),
            close=traded[-1],
            volume=volume,
            closed=phase == TICKS_PER_CANDLE - 1,
            time=row.open_time + _offset(phase, self._interval),
            quote_volume=row.volume if is_quote and phase == TICKS_PER_CANDLE - 1 else None,
        )


def _path(row: Row) -> tuple[Price, Price, Price, Price]:
    if row.close >= row.open:
        return row.open, row.low, row.high, row.close
    return row.open, row.high, row.low, row.close


def _offset(phase: int, interval: DurationNs) -> DurationNs:
    return (
        interval - MILLISECOND_NS
        if phase == TICKS_PER_CANDLE - 1
        else interval * phase // (TICKS_PER_CANDLE - 1)
    )


def _stress(series: Series, index: int) -> float:
    """Return the range of a candle in standard deviations, as those before it tell them; 0 for the first candle."""
    before = range(max(0, index - STRESS_CANDLES), index)
    mean = sum(series.range_ticks(i) for i in before) / len(before) if before else 0.0
    return RANGE_DEVIATIONS * series.range_ticks(index) / mean if mean else 0.0
