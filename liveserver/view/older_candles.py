"""Candles older than a view keeps: from the bus, when somebody scrolls back that far."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from bus import Bus, BusError, FromStart, read
from liveserver.protocol.server_messages import CandleData
from liveserver.protocol.symbol_names import Market
from liveserver.view import rendering
from liveserver.view.candles import KEPT
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.subjects import Stream
from schemas.venue.market import Candle

AT_ONCE = 2
"""So many are read at the same time: looking back must not disturb those who watch."""


class OlderCandles:
    """Reads them from CANDLES."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    @staticmethod
    def are_needed(rows: Sequence[CandleData], start: int, end: int, limit: int, *, newest: bool) -> bool:
        """Tell whether a page may reach back behind the rows that a view keeps."""
        if len(rows) < KEPT or start >= rows[0].time:
            return False  # the view has all there is
        return not newest or sum(row.time < end for row in rows) < limit

    async def joined(
        self, bus: Bus | None, market: Market, interval: str, rows: Sequence[CandleData]
    ) -> Sequence[CandleData]:
        """Return what the bus has before these rows, and them. They alone where it is out of reach."""
        if bus is None:
            return rows
        subject = subjects.closed_candle(market.venue, market.symbol, interval)
        found: dict[int, CandleData] = {}
        try:
            async with self._turns, aclosing(read(bus, Stream.CANDLES, [subject], FromStart())) as batches:
                async for batch in batches:
                    for received in batch.messages:
                        row = _row(received.data)
                        if row is not None and row.time < rows[0].time:
                            found[row.time] = row
                    if batch.caught_up:
                        break
        except BusError:
            return rows
        return [*(found[time] for time in sorted(found)), *rows]


def _row(data: bytes) -> CandleData | None:
    try:
        return rendering.candle(decode_as(data, Candle))
    except UndecodableError:
        return None
