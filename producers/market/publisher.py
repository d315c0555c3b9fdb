"""Market publisher: backfilled history, then live tickers, candles, trades, clock and feed."""

import asyncio
from collections.abc import Sequence

from bus import Bus, Service
from bus.metrics import Counter, Gauge
from bus.runtime import time_ns
from producers.market.history import CandleHistory
from producers.market.instruments import InstrumentPublisher
from producers.market.pacing import Pace
from producers.market.plausibility import Plausibility
from producers.ports import MarketEvent, MarketSource, VenueError
from producers.retry import Outbox
from schemas import subjects
from schemas.codec import encode
from schemas.units import SECOND_NS, Symbol, VenueId
from schemas.venue.market import Candle, ClockRead, FeedChanged, FeedState, MarketFault, PublicTrade, Ticker

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
        self.plausibility = Plausibility(service.registry, service.log, checks_time=pace.is_real_time)
        source.on_undecodable = self._on_undecodable
        self._history = CandleHistory(service.bus, source, venue, service.log, self.plausibility)
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
        """Store the history of closed candles, as far as CANDLES does not have it."""
        await self._history.backfill(symbols)

    async def keep_history(self) -> None:
        """Store the history again when CANDLES lost it; for ever."""
        await self._history.keep(lambda symbol: symbol not in self._muted)

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
                if self.plausibility.accepts(read):
                    await self._outbox.store(subjects.clock(self._venue), read)
            await asyncio.sleep(CLOCK_INTERVAL_S)

    def status(self) -> dict[str, object]:
        """Return the feed's part of /status."""
        return {
            symbol: {"last": str(ticker.last), "age_s": round((time_ns() - ticker.time) / SECOND_NS, 3)}
            for symbol, ticker in self.last_tick.items()
        }

    def _on_undecodable(self) -> None:
        self.plausibility.drop("", "event", MarketFault.UNDECODABLE)

    async def _publish(self, event: MarketEvent) -> None:
        if not isinstance(event, ClockRead) and event.symbol in self._muted:
            return
        if not self.plausibility.accepts(event):
            return
        self._published.labels(type(event).__name__).inc()
        match event:
            case Ticker():
                self.last_tick[event.symbol] = event
                self._tick_time.labels(event.symbol).set(event.time / SECOND_NS)
                await self._pace.ticker(subjects.ticker(event.venue, event.symbol), event)
            case Candle():
                if event.closed:
                    await self._history.store(event)
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
