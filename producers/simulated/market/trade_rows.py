"""Rows of trade files, gathered to candles of one second.

Files with a header need columns for time, price and quantity, in any order:

    id,price,qty,quote_qty,time,is_buyer_maker
    31,42001.5,0.003,126.0,1700000000123,true

Without a header a file is a Binance dump of aggregated trades: id, price, quantity, first id, last id, time and flags.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.units import SECOND_NS, ZERO, Price, Quantity, TimeNs

TIME_NAMES = frozenset({"time", "timestamp", "transact_time"})
QUANTITY_NAMES = frozenset({"qty", "quantity", "size", "amount"})
AGGREGATED_COLUMNS = frozenset({7, 8})
MAX_QUIET_NS = 3600 * SECOND_NS
"""Seconds without trades are candles without volume; a longer pause is missing data."""


class TradeColumns(NamedTuple):
    """Indexes of the columns of a trade file."""

    time: int
    price: int
    quantity: int
    has_header: bool


class SecondCandle(NamedTuple):
    """The trades of one second."""

    open_time: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity


def trade_columns(first: Sequence[str]) -> TradeColumns | None:
    """Return the columns of a file by its first row, None if it does not have trades."""
    if _is_number(first[0]):
        is_aggregated = len(first) in AGGREGATED_COLUMNS and all(map(_is_number, first[3:6]))
        return TradeColumns(5, 1, 2, has_header=False) if is_aggregated else None
    names = [name.strip().lower() for name in first]
    time = next((i for i, name in enumerate(names) if name in TIME_NAMES), None)
    quantity = next((i for i, name in enumerate(names) if name in QUANTITY_NAMES), None)
    if time is None or quantity is None or "price" not in names:
        return None
    return TradeColumns(time, names.index("price"), quantity, has_header=True)


class SecondCandles:
    """Gathers trades, given in the order of their times, to candles."""

    def __init__(self) -> None:
        self._current: SecondCandle | None = None

    def add(self, time: TimeNs, price: Price, quantity: Quantity) -> Iterator[SecondCandle]:
        """Add a trade and yield the candles that end before it.

        Raises: ValueError when the trade is before the current second.
        """
        open_time, current = time - time % SECOND_NS, self._current
        if current is None or open_time != current.open_time:
            if current is not None:
                yield from _until(current, open_time)
            self._current = SecondCandle(open_time, price, price, price, price, quantity)
            return
        self._current = current._replace(
            high=max(current.high, price),
            low=min(current.low, price),
            close=price,
            volume=current.volume + quantity,
        )

    def finish(self) -> Iterator[SecondCandle]:
        """Yield the last candle."""
        if self._current is not None:
            yield self._current


def _until(candle: SecondCandle, open_time: TimeNs) -> Iterator[SecondCandle]:
    if open_time < candle.open_time:
        raise ValueError(
            f"its time is {(candle.open_time - open_time) / SECOND_NS:g} s before the previous row"
        )
    yield candle
    close = candle.close
    if open_time - candle.open_time <= MAX_QUIET_NS:
        for quiet in range(candle.open_time + SECOND_NS, open_time, SECOND_NS):
            yield SecondCandle(quiet, close, close, close, close, ZERO)


def _is_number(text: str) -> bool:
    return text.strip().lstrip("-").isdigit()
