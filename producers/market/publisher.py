"""Market publisher: backfilled history, then live tickers, candles, trades, clock and feed."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from bus import Bus, BusError, Service, newest
from bus.metrics import Counter, Gauge
from producers.market.instruments import InstrumentPublisher
from producers.market.pacing import Pace
from producers.ports import MarketEvent, MarketSource, VenueError
from producers.retry import Outbox, last_stored, retry
from schemas import subjects
from schemas.codec import encode
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Symbol, VenueId
from schemas.venue.market import Candle, ClockRead, FeedChanged, FeedState, PublicTrade, Ticker

INTERVAL = "1m"
HISTORY_CANDLES = 1500
CLOCK_INTERVAL_S = 5.0


class MarketPublisher:
    """Publishes the market data of one venue."""

    def __init__(self, service: Service, source: MarketSource, venue: VenueId, pace: Pace) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._source = source
        self._venue = venue
        self._pace = pace
        self._outbox = Outbox(service.bus, service.log)
        self.instruments = InstrumentPublisher(service.bus, source, venue, service.log)
        self._last_closed: dict[Symbol, int] = {}
        self._disconnected: set[Symbol] = set()
        self._muted: set[Symbol] = set()
        self._published = Counter(
            "market_events_published_total", "Market events published", ["type"], registry=service.registry
        )
        self._tick_time = Gauge(
            "market_last_tick_seconds", "Venue time of the newest tick", ["symbol"], registry=service.registry
        )
        self.last_tick: dict[Symbol, Ticker] = {}

    async def publish_instruments(self, symbols: Sequence[Symbol]) -> list[Symbol]:
        """Publish the venue's instruments and return those of `symbols` that it lists.

        All instruments, since a symbol may be added later.
        Raises: LookupError when the venue lists none of `symbols`; BusError.
        """
        self.instruments.use(symbols)
        listed = await self.instruments.publish()
        if missing := sorted(set(symbols) - listed.keys()):
            text = f"{self._venue} has no {', '.join(missing)}; it has {', '.join(sorted(listed))}"
            if len(missing) == len(set(symbols)):
                raise LookupError(text)
            self._log.error("symbol_not_listed", detail=text)
        return [symbol for symbol in symbols if symbol in listed]

    async def backfill(self, symbols: Sequence[Symbol]) -> None:
        """Store the closed candles that are newer than the last one in CANDLES, at most `HISTORY_CANDLES` a symbol."""
        for symbol in symbols:
            subject = subjects.closed_candle(self._venue, symbol, INTERVAL)
            stored = await last_stored(self._bus, Stream.CANDLES, subject, self._log)
            last = await newest(self._bus, Stream.CANDLES, subject, Candle, stored)
            self._last_closed[symbol] = last.event.open_time if last else -1
            fetched = await retry(partial(self._source.candles, symbol, INTERVAL, HISTORY_CANDLES), self._log)
            closed = [candle for candle in fetched if candle.closed]
            if closed and 0 <= self._last_closed[symbol] < closed[0].open_time:
                self._log.warning("history_gap", symbol=symbol, before=closed[0].open_time)
            await self._store_history(subject, symbol, closed)
            self._log.info("history_ready", symbol=symbol, candles=len(closed))

    async def follow(self, symbols: Sequence[Symbol]) -> None:
        """Publish market events, for ever or until a recording ends."""
        async for update in self._source.market(symbols):
            await self._pace.before(update)
            for event in update.events:
                await self._publish(event)
            await self._pace.after(update)
            if update.is_last:
                self._log.info("recording_ended")
                return

    def mute(self, symbol: Symbol) -> None:
        """Stop publishing a symbol; its stream, which others may share, stays connected."""
        self._muted.add(symbol)
        self.last_tick.pop(symbol, None)

    def unmute(self, symbol: Symbol) -> None:
        """Publish a symbol again after `mute`."""
        self._muted.discard(symbol)

    def is_muted(self, symbol: Symbol) -> bool:
        """Return whether a symbol is muted."""
        return symbol in self._muted

    async def run_clock(self) -> None:
        """Publish the venue's clock every `CLOCK_INTERVAL_S` seconds, for ever."""
        while True:
            try:
                read = await self._source.clock()
            except VenueError as error:
                self._log.warning("clock_not_read", detail=str(error))
            else:
                await self._outbox.store(subjects.clock(self._venue), read)
            await asyncio.sleep(CLOCK_INTERVAL_S)

    def status(self) -> dict[str, object]:
        """Return the feed's part of /status."""
        return {
            symbol: {"last": str(ticker.last), "age_s": round((time.time_ns() - ticker.time) / SECOND_NS, 3)}
            for symbol, ticker in self.last_tick.items()
        }

    async def _publish(self, event: MarketEvent) -> None:
        if not isinstance(event, ClockRead) and event.symbol in self._muted:
            return
        self._published.labels(type(event).__name__).inc()
        match event:
            case Ticker():
                self.last_tick[event.symbol] = event
                self._tick_time.labels(event.symbol).set(event.time / SECOND_NS)
                await self._pace.ticker(subjects.ticker(event.venue, event.symbol), event)
            case Candle():
                if event.closed:
                    await self._store_closed(event)
                await self._publish_transient(
                    subjects.live_candle(event.venue, event.symbol, event.interval), event
                )
            case PublicTrade():
                await self._publish_transient(subjects.public_trade(event.venue, event.symbol), event)
            case FeedChanged():
                self._log.info("feed", symbol=event.symbol, state=event.state, reason=event.reason)
                await self._outbox.store(subjects.feed(event.venue, event.symbol), event)
                await self._backfill_after_reconnect(event)
            case ClockRead():
                await self._outbox.store(subjects.clock(event.venue), event)

    async def _backfill_after_reconnect(self, event: FeedChanged) -> None:
        # A venue does not resend candles that closed while the connection was down.
        if event.state is not FeedState.UP:
            self._disconnected.add(event.symbol)
        elif event.symbol in self._disconnected:
            self._disconnected.discard(event.symbol)
            await self.backfill([event.symbol])

    async def _publish_transient(self, subject: str, event: Candle | PublicTrade) -> None:
        await self._bus.publish(subject, encode(event))

    async def _store_history(self, subject: str, symbol: Symbol, closed: Sequence[Candle]) -> None:
        # Sent concurrently; failed ones are stored again one by one, under the same message id.
        new = [candle for candle in closed if candle.open_time > self._last_closed[symbol]]
        sent = [await self._bus.send(subject, c, message_id=_candle_id(subject, c)) for c in new]
        failed = [c for c, future in zip(new, sent, strict=True) if not await _is_stored(future)]
        for candle in failed:
            await self._outbox.store(subject, candle, message_id=_candle_id(subject, candle))
        self._last_closed[symbol] = max([self._last_closed[symbol], *(c.open_time for c in new)])

    async def _store_closed(self, candle: Candle) -> None:
        if candle.open_time <= self._last_closed[candle.symbol]:
            return
        subject = subjects.closed_candle(candle.venue, candle.symbol, candle.interval)
        await self._outbox.store(subject, candle, message_id=_candle_id(subject, candle))
        self._last_closed[candle.symbol] = candle.open_time


def _candle_id(subject: str, candle: Candle) -> str:
    return f"{subject}.{candle.open_time}"


async def _is_stored(sent: "asyncio.Future[int]") -> bool:
    try:
        await sent
    except BusError:
        return False
    return True
