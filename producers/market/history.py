"""Closed candles on CANDLES: the history at the start, each candle as it closes, and again what the stream lost."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from bus import Bus, BusError, FromStart, Logger, decode_or_log, read
from bus.client.jetstream import StreamState
from bus.runtime import background_s, time_ns
from producers.market.plausibility import Plausibility
from producers.ports import MarketSource
from producers.retry import Outbox, retry, retry_bus
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import Symbol, TimeNs, VenueId
from schemas.venue.market import Candle

INTERVAL = "1m"
HISTORY_CANDLES = 1500
CHECK_INTERVAL_S = 1.0
"""Seconds between two looks whether CANDLES lost messages: short, so that the lost ones are stored before new ones."""


class CandleHistory:
    """Stores the closed candles of one venue. Each candle is stored once."""

    def __init__(
        self, bus: Bus, source: MarketSource, venue: VenueId, log: Logger, plausibility: Plausibility
    ) -> None:
        self._bus = bus
        self._source = source
        self._venue = venue
        self._log = log
        self._plausibility = plausibility
        self._outbox = Outbox(bus, log)
        self._last_closed: dict[Symbol, TimeNs] = {}
        """The opening time of the newest candle stored; -1 without one."""
        self._storing = asyncio.Lock()

    async def backfill(self, symbols: Sequence[Symbol]) -> None:
        """Store the venue's closed candles that CANDLES does not have, at most `HISTORY_CANDLES` a symbol."""
        for symbol in symbols:
            fetched = await retry(partial(self._source.candles, symbol, INTERVAL, HISTORY_CANDLES), self._log)
            closed = [each for each in fetched if each.closed and self._plausibility.accepts(each)]
            async with self._storing:
                await self._store_missing(symbol, closed)
            self._log.info("history_ready", symbol=symbol, candles=len(closed))

    async def store(self, candle: Candle) -> None:
        """Store a candle that closed, unless it is not newer than the newest one stored."""
        async with self._storing:
            if candle.open_time <= self._last_closed[candle.symbol]:
                return
            subject = subjects.closed_candle(candle.venue, candle.symbol, candle.interval)
            await self._outbox.store(subject, candle, message_id=f"{subject}.{candle.open_time}")
            self._last_closed[candle.symbol] = candle.open_time

    async def keep(self, is_used: Callable[[Symbol], bool]) -> None:
        """Store the history of the symbols in use again when CANDLES was purged, deleted or restored; for ever."""
        known = await self._state()
        while True:
            await asyncio.sleep(background_s(CHECK_INTERVAL_S))
            state = await self._state()
            if _has_lost(known, state):
                self._log.warning("candles_lost", before=known.messages, now=state.messages)
                await self.backfill([symbol for symbol in self._last_closed if is_used(symbol)])
                state = await self._state()
            known = state

    async def _state(self) -> StreamState:
        return await retry_bus(
            partial(self._bus.stream_state, Stream.CANDLES), self._bus, self._log, Stream.CANDLES
        )

    async def _store_missing(self, symbol: Symbol, closed: Sequence[Candle]) -> None:
        subject = subjects.closed_candle(self._venue, symbol, INTERVAL)
        stored = await retry_bus(partial(self._stored, subject), self._bus, self._log, subject)
        if closed and stored and max(stored) < closed[0].open_time:
            self._log.warning("history_gap", symbol=symbol, before=closed[0].open_time)
        # The stream keeps the last `HISTORY_CANDLES` stored: an older one would replace one that is needed.
        oldest = sorted(stored | {candle.open_time for candle in closed})[-HISTORY_CANDLES:][:1]
        new = [each for each in closed if each.open_time not in stored and [each.open_time] >= oldest]
        # The server still knows the ids of lost messages for two minutes, and would drop these as repeated.
        ids = [f"{subject}.{candle.open_time}.{time_ns()}" for candle in new]
        # Sent concurrently; failed ones are stored again one by one, under the same message id.
        sent = [await self._bus.send(subject, c, message_id=i) for c, i in zip(new, ids, strict=True)]
        for candle, message_id, future in zip(new, ids, sent, strict=True):
            if not await _is_stored(future):
                await self._outbox.store(subject, candle, message_id=message_id)
        self._last_closed[symbol] = max([-1, *stored, *(candle.open_time for candle in new)])

    async def _stored(self, subject: str) -> set[TimeNs]:
        """Return the opening times of the candles on a subject."""
        found: set[TimeNs] = set()
        async with aclosing(read(self._bus, Stream.CANDLES, (subject,), FromStart())) as batches:
            async for batch in batches:
                candles = (decode_or_log(message, Candle, self._log) for message in batch.messages)
                found |= {candle.open_time for candle in candles if candle is not None}
                if batch.caught_up:
                    break
        return found


def _has_lost(before: StreamState, now: StreamState) -> bool:
    # A full subject discards its oldest candle for each new one: the number of messages never falls by itself.
    return now.created != before.created or now.last < before.last or now.messages < before.messages


async def _is_stored(sent: "asyncio.Future[int]") -> bool:
    try:
        await sent
    except BusError:
        return False
    return True
