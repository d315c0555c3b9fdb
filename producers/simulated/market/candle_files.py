"""Reader of candle files: CSV with a header, or Binance kline dumps; plain, gzipped or zipped. Also of trade files.

With a header the columns open_time, open, high, low, close and volume are read, in any order:

    open_time,open,high,low,close,volume
    1700000000000,100,101,99,100.5,7

Without a header a file has either these six columns or the twelve of a Binance dump, which start with them. Times are in
seconds, milliseconds, microseconds or nanoseconds.

Trades become candles of one second: see `trade_rows`.

Prices that are not multiples of the tick are rounded to the nearest and counted. Real files contain a few (settlements);
more than 1 % mean that tick_size does not match the file.
"""

import csv
import gzip
import io
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from producers.simulated.market.trade_rows import SecondCandle, SecondCandles, TradeColumns, trade_columns
from schemas.units import SECOND_NS, DurationNs, Price, Quantity, TimeNs

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
PRICE_COLUMNS = COLUMNS[1:5]
BINANCE_COLUMNS = 12
MAX_PRICE_TICKS = 2**63 - 1
MAX_OFF_TICK_SHARE = 0.01
MAX_LINE_CHARS = 64 * 1024
MAX_EXPONENT = 40
"""Of a number: 1e40 and 1e-40 are accepted."""
"""Share of the prices that may be off the tick."""
TIME_UNITS = ((10**11, SECOND_NS), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
"""(exclusive upper bound, unit in ns) of each time format: 10 digits are seconds, 13 milliseconds."""


class RecordingError(ValueError):
    """A candle file cannot be used; the text is `PATH:LINE: reason`, without the line where it is unknown."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")


class Row(NamedTuple):
    """One candle of a file."""

    open_time: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity


@dataclass(slots=True)
class Series:
    """The candles of one file, stored compactly: prices as multiples of the tick."""

    tick_size: Price
    interval: DurationNs = 0
    gaps: int = 0
    """Number of missing candles between the first and the last."""
    off_tick: int = 0
    """Number of prices that were rounded to the tick."""
    first_off_tick: tuple[int, str] = (0, "")
    """Line, and column with price, of the first of them."""
    times: "array[int]" = field(default_factory=lambda: array("q"))
    prices: "array[int]" = field(default_factory=lambda: array("q"))
    """Open, high, low and close of each candle, in ticks."""
    volumes: list[Quantity] = field(default_factory=list)
    has_volume: bool = False
    """Whether any candle has a volume."""

    def range_ticks(self, i: int) -> int:
        """Return the difference of a candle's high and low, in ticks."""
        return self.prices[4 * i + 1] - self.prices[4 * i + 2]

    def mean_range(self) -> Price:
        """Return the mean of high less low, rounded to the tick."""
        return round(sum(map(self.range_ticks, range(len(self)))) / len(self)) * self.tick_size

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, i: int) -> Row:
        open_, high, low, close = (self._price(n) for n in self.prices[4 * i : 4 * i + 4])
        return Row(self.times[i], open_, high, low, close, self.volumes[i])

    def _price(self, ticks: int) -> Price:
        return ticks * self.tick_size


class _RowError(Exception):
    """Reason that a row is invalid."""


def read_candles(path: Path, tick_size: Price) -> Series:
    """Return the candles of a file.

    Raises: RecordingError with file, line and reason.
    """
    series = Series(tick_size)
    try:
        with _open_text(path) as text:
            _read_rows(path, text, series)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:  # Runtime: encrypted
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(path, 0, f"cannot be read: {reason}") from error
    if len(series) < 2:
        raise RecordingError(path, 0, "has fewer than two candles")
    if series.off_tick > MAX_OFF_TICK_SHARE * len(series.prices):
        line, price = series.first_off_tick
        reason = f"{price} is not a multiple of {tick_size}, nor are {series.off_tick - 1} other prices"
        raise RecordingError(path, line, f"{reason}: set tick_size to that of the file")
    _find_interval(series, path)
    return series


def _read_rows(path: Path, text: TextIO, series: Series) -> None:
    lines = csv.reader(_bounded_lines(text))
    try:
        first = next((row for row in lines if row), [])
        rows = chain([first], lines)
        if first and (trades := trade_columns(first)) is not None:
            for candle in _trades_by_second(rows, trades):
                _append_candle(series, candle.open_time, candle[1:], lines.line_num)
            return
        for row, columns in _split_rows(rows):
            _add_candle(series, row, columns, lines.line_num)
    except _RowError as error:
        raise RecordingError(path, lines.line_num, str(error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(path, lines.line_num + 1, f"not comma-separated text: {error}") from error


def _bounded_lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(MAX_LINE_CHARS):
        if len(line) == MAX_LINE_CHARS:
            raise csv.Error(f"a line has {MAX_LINE_CHARS} characters or more")
        yield line


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    if path.suffix != ".zip":
        return path.open(encoding="utf-8-sig", newline="")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise RecordingError(
                path, 0, f"a zip archive must contain exactly one .csv file, not {len(names)}"
            )
        # It keeps the archive open, and decompresses as it is read.
        return io.TextIOWrapper(archive.open(names[0]), encoding="utf-8-sig", newline="")


def _split_rows(lines: Iterator[list[str]]) -> Iterator[tuple[list[str], Sequence[int]]]:
    columns: Sequence[int] = ()
    count = 0
    for row in lines:
        if not row:
            continue
        if not columns:
            count = len(row)
            columns = _column_indexes(row)
            if not row[0].strip().lstrip("-").isdigit():
                continue
        if len(row) != count:
            raise _RowError(f"expected {count} columns, found {len(row)}")
        yield row, columns


def _column_indexes(first: list[str]) -> Sequence[int]:
    if first[0].strip().lstrip("-").isdigit():
        if len(first) not in {len(COLUMNS), BINANCE_COLUMNS}:
            raise _RowError(
                f"{len(first)} columns without a header: must be {len(COLUMNS)}, or {BINANCE_COLUMNS} as in a kline dump"
            )
        return range(len(COLUMNS))
    names = [name.strip().lower() for name in first]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _RowError(f"the header lacks {', '.join(missing)}; it has {', '.join(names)}")
    return [names.index(name) for name in COLUMNS]


def _add_candle(series: Series, row: list[str], columns: Sequence[int], line: int) -> None:
    time, *numbers = (row[column] for column in columns)
    open_time = _parse_time(time)
    if series.times and open_time <= series.times[-1]:
        raise _RowError(f"open_time {time} is not after that of the previous row")
    values = [_parse_number(name, text) for name, text in zip(COLUMNS[1:], numbers, strict=True)]
    open_, high, low, close, _ = values
    if high < low:
        raise _RowError(f"high {high} is below low {low}")
    if not low <= min(open_, close) <= max(open_, close) <= high:
        raise _RowError(f"open {open_} or close {close} is outside of low {low} to high {high}")
    _append_candle(series, open_time, values, line)


def _append_candle(series: Series, open_time: TimeNs, values: Sequence[Decimal], line: int) -> None:
    volume = values[-1]
    for name, value in zip(PRICE_COLUMNS, values, strict=False):
        series.prices.append(_price_ticks(series, name, value, line))
    series.times.append(open_time)
    series.volumes.append(volume)
    series.has_volume = series.has_volume or volume > 0


def _trades_by_second(rows: Iterable[list[str]], columns: TradeColumns) -> Iterator[SecondCandle]:
    candles, count = SecondCandles(), 0
    for row in rows:
        if not row:
            continue
        if not count:
            count = len(row)
            if columns.has_header:
                continue
        if len(row) != count:
            raise _RowError(f"expected {count} columns, found {len(row)}")
        price = _parse_number("price", row[columns.price])
        # A quantity of 0 is allowed, as is a volume of 0.
        quantity = _parse_number("volume", row[columns.quantity])
        try:
            yield from candles.add(_parse_time(row[columns.time]), price, quantity)
        except ValueError as error:
            raise _RowError(str(error)) from error
    yield from candles.finish()


def _parse_time(text: str) -> TimeNs:
    try:
        number = int(text)
    except ValueError:
        raise _RowError(f"open_time {text!r} is not an integer") from None
    for below, unit in TIME_UNITS:
        if 0 < number < below:
            return number * unit
    raise _RowError(f"open_time {text} is out of range")


def _parse_number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise _RowError(f"{name} {text!r} is not a number") from None
    if not value.is_finite():
        raise _RowError(f"{name} {text!r} is not a finite number")
    if value < 0:
        raise _RowError(f"{name} {text} is negative")
    if value and abs(value.adjusted()) > MAX_EXPONENT:
        raise _RowError(f"{name} {text} is too {'large' if value > 1 else 'small'}")
    if value == 0 and name != "volume":
        raise _RowError(f"{name} is zero")
    return value


def _price_ticks(series: Series, name: str, value: Price, line: int) -> int:
    ticks = value / series.tick_size
    if ticks > MAX_PRICE_TICKS:
        raise _RowError(f"{name} {value} is too large")
    nearest = round(ticks)
    if nearest * series.tick_size != value:
        series.off_tick += 1
        if series.off_tick == 1:
            series.first_off_tick = (line, f"{name} {value}")
    return max(nearest, 1)


def _find_interval(series: Series, path: Path) -> None:
    steps = Counter(after - before for before, after in zip(series.times, series.times[1:], strict=False))
    series.interval = min(steps)
    for step in steps:
        if step % series.interval:
            raise RecordingError(
                path,
                0,
                f"irregular interval: candles are {step / 1e9:g} s and {series.interval / 1e9:g} s apart",
            )
    series.gaps = sum((step // series.interval - 1) * count for step, count in steps.items())
