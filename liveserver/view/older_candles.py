"""Candles older than the view keeps, read from the bus on demand."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from bus import Bus, BusError, FromStart, read
from liveserver.protocol.server_messages import CandleData
from liveserver.protocol.symbol_names import Market
from liveserver.view import rendering
from liveserver.view.candles import MAX_CANDLES
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.subjects import Stream
from schemas.venue.market import Candle

MAX_READERS = 2
"""Concurrent reads, limited so that they do not delay live viewers."""


class OlderCandles:
    """Reads candles from the stream CANDLES."""

    def __init__(self) -> None:
        self._readers = asyncio.Semaphore(MAX_READERS)

    @staticmethod
    def are_needed(rows: Sequence[CandleData], start: int, end: int, limit: int, *, newest: bool) -> bool:
        """Return whether a page may need candles older than `rows`. `start` and `end` are seconds since the epoch."""
        if len(rows) < MAX_CANDLES or start >= rows[0].time:
            return False  # the view has dropped nothing, or the page lies within it
        rows_before_end = sum(row.time < end for row in rows)
        return not newest or rows_before_end < limit

    async def joined(
        self, bus: Bus | None, market: Market, interval: str, rows: Sequence[CandleData]
    ) -> Sequence[CandleData]:
        """Return the older candles of the bus followed by `rows`, which must not be empty.

        Returns `rows` alone if the bus cannot be read.
        """
        if bus is None:
            return rows
        subject = subjects.closed_candle(market.venue, market.symbol, interval)
        older: dict[int, CandleData] = {}
        try:
            async with self._readers, aclosing(read(bus, Stream.CANDLES, [subject], FromStart())) as batches:
                async for batch in batches:
                    for received in batch.messages:
                        row = _row(received.data)
                        if row is not None and row.time < rows[0].time:
                            older[row.time] = row
                    if batch.caught_up:
                        break
        except BusError:
            return rows
        return [*(older[time] for time in sorted(older)), *rows]


def _row(data: bytes) -> CandleData | None:
    try:
        return rendering.candle(decode_as(data, Candle))
    except UndecodableError:
        return None
