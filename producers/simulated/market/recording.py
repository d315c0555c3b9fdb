"""A recording of candles, walked as ticks.

Each candle is four ticks: its open, then its low and its high (high and low where it closes below its open: what is
farther from the close comes first), then its close. They happen at 0, 1/3, 2/3 and, a millisecond short, the whole of
the interval. Symbols with files of their own go together, by time; one that lacks a candle stands still, and the gap
is told with its next tick. What happens in a tick depends on its number alone.
"""

from bisect import bisect_right
from decimal import Decimal
from pathlib import Path

from producers.simulated.listing import Quote
from producers.simulated.market.candle_files import RecordingError, Row, Series, read_candles
from producers.simulated.market.tape import PAST, Progress, Tick
from producers.simulated.settings import RecordingSettings, SymbolSettings, VenueSettings
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs, Price, Symbol, TimeNs
from schemas.venue.market import Candle

TICKS = 4
"""In a candle."""
VOLUME_STEP = Decimal("0.00000001")
INTERVALS = {60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 14400: "4h", 86400: "1d"}


class RecordingTape:
    """The markets of all symbols as they were."""

    def __init__(self, settings: VenueSettings, recording: RecordingSettings) -> None:
        """Read the files.

        Raises: RecordingError.
        """
        self._symbols = {s.instrument.symbol: s for s in settings.symbols}
        self._recording = recording
        paths = {symbol: Path(recording.paths[symbol]) for symbol in self._symbols}
        self._series = {
            symbol: read_candles(paths[symbol], s.instrument.tick_size) for symbol, s in self._symbols.items()
        }
        self._interval = next(iter(self._series.values())).interval
        for symbol, series in self._series.items():
            if series.interval != self._interval or self._interval // SECOND_NS not in INTERVALS:
                raise RecordingError(paths[symbol], 0, f"its candles last {series.interval / 1e9:g} s")
        self.interval = INTERVALS[self._interval // SECOND_NS]
        self._times = sorted({time for series in self._series.values() for time in series.times})
        default = min(PAST, len(self._times) // 10)
        self._warmup = default if recording.warmup is None else recording.warmup
        if self._warmup >= len(self._times):
            raise RecordingError(
                next(iter(paths.values())), 0, f"warmup {self._warmup} leaves no candle to play"
            )
        self.last_tick: int | None = (len(self._times) - self._warmup) * TICKS - 1
        self._tick = 0

    def flaws(self) -> dict[Symbol, dict[str, int]]:
        """Return how many candles each file lacks between its first and its last, and how many prices were rounded."""
        return {
            symbol: {"missing_candles": series.gaps, "prices_off_tick": series.off_tick}
            for symbol, series in self._series.items()
        }

    def time(self, tick: int, now: TimeNs) -> TimeNs:
        slot, phase = divmod(tick, TICKS)
        return self._times[self._warmup + slot] + _offset(phase, self._interval)

    def advance(self, tick: int, time: TimeNs) -> list[Tick]:
        self._tick = tick
        opened = self._opened(tick)
        return [
            self._walk(symbol, at, tick % TICKS, time)
            for symbol, at in ((symbol, self._at(symbol, opened)) for symbol in self._symbols)
            if at >= 0 and self._series[symbol].times[at] == opened
        ]

    def standing(self, tick: int, time: TimeNs) -> list[Tick]:
        self._tick = tick
        opened = self._opened(tick)
        ticks = []
        for symbol in self._symbols:
            at = self._at(symbol, opened)
            if at < 0:
                ticks.append(self._walk(symbol, 0, 0, time)._replace(candles=()))
            elif self._series[symbol].times[at] == opened:
                ticks.append(self._walk(symbol, at, tick % TICKS, time))
            else:
                ticks.append(self._walk(symbol, at, TICKS - 1, time))
        return [tick._replace(gap="") for tick in ticks]

    def candles(self, symbol: Symbol, interval: str, limit: int) -> list[Candle] | None:
        if interval != self.interval:
            return None
        opened = self._opened(self._tick)
        at = self._at(symbol, opened)
        served = [self._candle(symbol, i, TICKS - 1) for i in range(max(0, at + 1 - limit), at + 1)]
        if served and served[-1].open_time == opened:
            served[-1] = self._candle(symbol, at, self._tick % TICKS)
        return served

    def progress(self, tick: int) -> Progress | None:
        return Progress(tick // TICKS + 1, len(self._times) - self._warmup, "candle")

    def _opened(self, tick: int) -> TimeNs:
        return self._times[self._warmup + tick // TICKS]

    def _at(self, symbol: Symbol, opened: TimeNs) -> int:
        return bisect_right(self._series[symbol].times, opened) - 1

    def _walk(self, symbol: Symbol, at: int, phase: int, time: TimeNs) -> Tick:
        series = self._series[symbol]
        path = _path(series[at])
        before = path[phase - 1] if phase else series[at - 1].close if at else path[0]
        quote = _quote(self._symbols[symbol], path[phase], is_rising=path[phase] > before)
        gap = self._gap(series, at) if phase == 0 else ""
        return Tick(symbol, quote, (self._candle(symbol, at, phase),), gap)

    def _gap(self, series: Series, at: int) -> str:
        if at == 0:
            return ""
        missing = (series.times[at] - series.times[at - 1]) // self._interval - 1
        return f"the recording lacks {missing} candles" if missing else ""

    def _candle(self, symbol: Symbol, at: int, phase: int) -> Candle:
        row = self._series[symbol][at]
        seen = _path(row)[: phase + 1]
        is_quote = self._recording.volume == "quote"
        volume = (row.volume / row.close).quantize(VOLUME_STEP) if is_quote else row.volume
        if phase < TICKS - 1:
            volume = (volume * (phase + 1) / TICKS).quantize(VOLUME_STEP)
        return Candle(
            venue=self._symbols[symbol].instrument.venue,
            symbol=symbol,
            interval=self.interval,
            open_time=row.open_time,
            open=row.open,
            high=max(seen),
            low=min(seen),
            close=seen[-1],
            volume=volume,
            closed=phase == TICKS - 1,
            time=row.open_time + _offset(phase, self._interval),
            quote_volume=row.volume if is_quote and phase == TICKS - 1 else None,
        )


def _path(row: Row) -> tuple[Price, Price, Price, Price]:
    if row.close >= row.open:
        return row.open, row.low, row.high, row.close
    return row.open, row.high, row.low, row.close


def _offset(phase: int, interval: DurationNs) -> DurationNs:
    return interval - MILLISECOND_NS if phase == TICKS - 1 else interval * phase // (TICKS - 1)


def _quote(settings: SymbolSettings, price: Price, *, is_rising: bool) -> Quote:
    spread = settings.spread_ticks * settings.instrument.tick_size
    # Who makes the price rise takes the ask, who makes it fall takes the bid.
    return Quote(price - spread, price, price) if is_rising else Quote(price, price + spread, price)
