"""Candle files: CSV with a header, and the venues' public kline dumps; plain, gzipped or zipped.

A header names the columns, of which open_time, open, high, low, close and volume are read. Without one the columns are
those of Binance's dumps: these six first, twelve in all. Times are seconds, milliseconds, microseconds or nanoseconds.

A few prices beside the tick (real files hold some, of settlements) are rounded to the nearest and counted; many of them
mean that the tick is not the file's.
"""

import csv
import gzip
import io
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, TextIO

from schemas.units import SECOND_NS, DurationNs, Price, Quantity, TimeNs

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
PRICES = COLUMNS[1:5]
BINANCE_COLUMNS = 12
MOST_TICKS = 2**63 - 1
MOST_OFF_TICK = 0.01
"""Part of the prices."""
UNITS_OF_TIME = ((10**11, SECOND_NS), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
"""A number below the first is a time in the second's unit; ten digits are seconds, thirteen milliseconds."""


class RecordingError(ValueError):
    """A candle file cannot be used: where, and why."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")


class Row(NamedTuple):
    """One candle as recorded."""

    open_time: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity


@dataclass(slots=True)
class Series:
    """The candles of one file, kept small: prices as multiples of the tick."""

    tick_size: Price
    interval: DurationNs = 0
    gaps: int = 0
    """Candles that are missing between the first and the last."""
    off_tick: int = 0
    """Prices that were rounded to the tick."""
    first_off_tick: tuple[int, str] = (0, "")
    """Line, column and price."""
    times: "array[int]" = field(default_factory=lambda: array("q"))
    prices: "array[int]" = field(default_factory=lambda: array("q"))
    volumes: list[Quantity] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, i: int) -> Row:
        opened, high, low, closed = (self._price(n) for n in self.prices[4 * i : 4 * i + 4])
        return Row(self.times[i], opened, high, low, closed, self.volumes[i])

    def _price(self, ticks: int) -> Price:
        return ticks * self.tick_size


class _Row(Exception):
    """Why a row cannot be read."""


def read_candles(path: Path, tick_size: Price) -> Series:
    """Return the candles of a file.

    Raises: RecordingError, naming file, line and reason.
    """
    series = Series(tick_size)
    try:
        with _opened(path) as text:
            _read(path, text, series)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(path, 0, f"cannot be read: {reason}") from error
    if len(series) < 2:
        raise RecordingError(path, 0, "holds fewer than two candles")
    if series.off_tick > MOST_OFF_TICK * len(series.prices):
        line, price = series.first_off_tick
        reason = f"{price} is not a multiple of {tick_size}, nor are {series.off_tick - 1} other prices"
        raise RecordingError(path, line, f"{reason}: set tick_size to suit the file")
    _find_interval(series, path)
    return series


def _read(path: Path, text: TextIO, series: Series) -> None:
    lines = csv.reader(text)
    try:
        for row, columns in _rows(lines):
            _add(series, row, columns, lines.line_num)
    except _Row as error:
        raise RecordingError(path, lines.line_num, str(error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(path, lines.line_num + 1, f"not text with commas: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    if path.suffix != ".zip":
        return path.open(encoding="utf-8", newline="")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise RecordingError(path, 0, f"an archive has to hold one .csv, this one holds {len(names)}")
        return io.TextIOWrapper(io.BytesIO(archive.read(names[0])), encoding="utf-8", newline="")


def _rows(lines: Iterator[list[str]]) -> Iterator[tuple[list[str], Sequence[int]]]:
    columns: Sequence[int] = ()
    count = 0
    for row in lines:
        if not row:
            continue
        if not columns:
            count = len(row)
            columns = _columns(row)
            if not row[0].strip().lstrip("-").isdigit():
                continue
        if len(row) != count:
            raise _Row(f"{len(row)} columns where {count} were expected")
        yield row, columns


def _columns(first: list[str]) -> Sequence[int]:
    if first[0].strip().lstrip("-").isdigit():
        if len(first) not in {len(COLUMNS), BINANCE_COLUMNS}:
            raise _Row(f"{len(first)} columns without a header; a kline dump has {BINANCE_COLUMNS}")
        return range(len(COLUMNS))
    names = [name.strip().lower() for name in first]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _Row(f"the header has no {', '.join(missing)}; it has {', '.join(names)}")
    return [names.index(name) for name in COLUMNS]


def _add(series: Series, row: list[str], columns: Sequence[int], line: int) -> None:
    time, *numbers = (row[column] for column in columns)
    opened_at = _time(time)
    if series.times and opened_at <= series.times[-1]:
        raise _Row(f"open_time {time} is not after the one before")
    values = [_number(name, text) for name, text in zip(COLUMNS[1:], numbers, strict=True)]
    opened, high, low, closed, volume = values
    if high < low:
        raise _Row(f"high {high} is below low {low}")
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        raise _Row(f"open {opened} or close {closed} is outside of {low} to {high}")
    for name, value in zip(PRICES, values, strict=False):
        series.prices.append(_ticks(series, name, value, line))
    series.times.append(opened_at)
    series.volumes.append(volume)


def _time(text: str) -> TimeNs:
    try:
        number = int(text)
    except ValueError:
        raise _Row(f"open_time {text!r} is not a whole number") from None
    for below, unit in UNITS_OF_TIME:
        if 0 < number < below:
            return number * unit
    raise _Row(f"open_time {text} is not a time")


def _number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise _Row(f"{name} {text!r} is not a number") from None
    if not value.is_finite():
        raise _Row(f"{name} {text!r} is not a finite number")
    if value < 0:
        raise _Row(f"{name} {text} is negative")
    if value == 0 and name != "volume":
        raise _Row(f"{name} is zero")
    return value


def _ticks(series: Series, name: str, value: Price, line: int) -> int:
    ticks = value / series.tick_size
    if ticks > MOST_TICKS:
        raise _Row(f"{name} {value} is too large")
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
                path, 0, f"candles lie {step / 1e9:g} s and {series.interval / 1e9:g} s apart"
            )
    series.gaps = sum((step // series.interval - 1) * count for step, count in steps.items())
