"""Readers of an actor's inputs: each follows some subjects and puts what it reads into the inbox."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from bus import Bus, BusError, LatestValues, Logger, Received, log_undecodable
from bus.runtime import background_s
from engine.actor.candles import Candles
from engine.actor.inbox import DurableInput, Inbox, command_received, order_event
from engine.actor.instrument import follow_instrument
from engine.actor.lost_records import required_by_offset
from engine.actor.market import SilenceTimer, SymbolMarket
from engine.journaled_actor import read_durable_inputs
from engine.metrics import EngineMetrics
from engine.quarantine import InputRef
from schemas import subjects
from schemas.codec import UndecodableError, UnknownKind, decode_as
from schemas.engine.journal import Input, ResyncRequired, StreamOffset, SymbolEntry
from schemas.engine.portfolio import PortfolioLimits
from schemas.subjects import Stream
from schemas.traceparent import traceparent_in
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.fees import assets_of
from schemas.venue.market import FeedChanged, Ticker

Latest = Ticker | FeedChanged | OpenOrders | Balance | Position | PortfolioLimits
DISCARD_CHECK_S = 5.0
"""Seconds between two checks whether ORDERS discarded messages that were not read."""


class Source(NamedTuple):
    """Where the readers of one actor read."""

    bus: Bus
    entry: SymbolEntry
    market: SymbolMarket
    candles: Candles
    offsets: dict[str, StreamOffset]
    """By stream: the offset of the newest input that was applied; changed by the actor."""
    epoch: int
    skipped: frozenset[InputRef]
    metrics: EngineMetrics
    log: Logger


class Readers:
    """The readers of one actor. State updates of which the core needs only the newest are kept here."""

    def __init__(self, source: Source, inbox: Inbox) -> None:
        self._source = source
        self._bus = source.bus
        self._venue, self._symbol = source.entry.venue, source.entry.symbol
        self._inbox = inbox
        self.positions: tuple[Position, ...] = ()
        """The newest position; empty before the first."""
        self.limits: tuple[PortfolioLimits, ...] = ()
        """The newest limits of the portfolio; empty before the first."""

    def all(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the readers by name; each runs for ever."""
        venue, symbol, market = self._venue, self._symbol, self._source.market
        orders = subjects.own_order_events(venue, symbol)
        commands = subjects.commands(venue, symbol)
        readers = {
            "orders": self._read_durable(Stream.ORDERS, orders, order_event),
            "control": self._read_durable(Stream.CONTROL, commands, command_received),
            "discards": self._watch_discards(),
            "ticker": self._follow(Stream.MARKET, (subjects.ticker(venue, symbol),), Ticker),
            "sweeps": self._follow(Stream.ACCOUNT, (subjects.open_orders(venue, symbol),), OpenOrders),
        }
        if feed := market.feed_subjects(venue, symbol):
            readers["feed"] = self._follow(Stream.MARKET, feed, FeedChanged)
        if position := market.position_subjects(venue, symbol):
            readers["position"] = self._follow(Stream.ACCOUNT, position, Position)
        if market.follows_balance:
            settle = (subjects.balance(venue, assets_of(symbol)[2]),)
            readers["balance"] = self._follow(Stream.ACCOUNT, settle, Balance)
        if limits := market.limits_subjects():
            readers["limits"] = self._follow(Stream.JOURNAL, limits, PortfolioLimits)
        if market.follows_instrument:
            readers["instrument"] = follow_instrument(
                self._bus, self._source.entry, self._inbox.put_update, self._source.log
            )
        readers["candles"] = self._source.candles.follow(self._inbox.put_update)
        if (silence := market.silence) is not None:
            readers["silence"] = self._follow_silence(silence)
        return readers

    async def _read_durable(
        self, stream: Stream, filters: tuple[str, ...], decode: Callable[[Received], Input]
    ) -> None:
        async def put(stream: Stream, offset: StreamOffset, message: Received) -> None:
            durable = DurableInput(stream, offset, None, traceparent_in(message.headers))
            await self._inbox.put(self._decode(durable, message, decode))

        offset = self._source.offsets[stream]
        await read_durable_inputs(
            self._bus, stream, filters, offset, put=put, on_lost=self._on_lost, log=self._source.log
        )

    async def _on_lost(self, stream: Stream, offset: StreamOffset, detail: str) -> None:
        # Lost commands are not repeated: each was valid for seconds.
        event = self._required(detail) if stream is Stream.ORDERS else None
        await self._inbox.put(DurableInput(stream, offset, event))

    async def _watch_discards(self) -> None:
        """Resynchronize when messages behind the offset were discarded before they could be read, as by a purge."""
        known_first = 0
        while True:
            await asyncio.sleep(background_s(DISCARD_CHECK_S))
            with suppress(BusError):
                first = (await self._bus.stream_state(Stream.ORDERS)).first
                offset = self._source.offsets[Stream.ORDERS]
                if first not in {known_first, 1} and first > offset.sequence + 1:
                    detail = f"{Stream.ORDERS} begins at {first} now, and was read up to {offset.sequence}"
                    await self._inbox.put(DurableInput(Stream.ORDERS, offset, self._required(detail)))
                known_first = first

    def _required(self, detail: str) -> ResyncRequired:
        return required_by_offset(detail, self._source.entry.generation, self._source.epoch)

    def _decode(
        self, skipped: DurableInput, message: Received, decode: Callable[[Received], Input]
    ) -> DurableInput:
        if InputRef(skipped.stream, message.sequence) in self._source.skipped:
            self._source.log.error("input_skipped", subject=message.subject, sequence=message.sequence)
            return skipped
        try:
            return skipped._replace(event=decode(message))
        except UnknownKind as error:
            return skipped._replace(unknown=error)
        except UndecodableError as error:
            self._log_undecodable(message, error)
            return skipped

    async def _follow(self, stream: Stream, filters: tuple[str, ...], kind: type[Latest]) -> None:
        async with LatestValues(self._bus, stream, filters) as latest:
            async for message in latest:
                try:
                    self._put(decode_as(message.data, kind))
                except UndecodableError as error:
                    self._log_undecodable(message, error)

    def _put(self, event: Latest) -> None:
        if isinstance(event, OpenOrders):
            self._inbox.put_sweep(event)
        elif isinstance(event, Position):
            self.positions = (event,)
        else:
            self.limits = (event,) if isinstance(event, PortfolioLimits) else self.limits
            self._inbox.put_update(event)

    async def _follow_silence(self, silence: SilenceTimer) -> None:
        while True:
            self._inbox.put_update(await silence.next_silence())

    def _log_undecodable(self, message: Received, error: UndecodableError) -> None:
        self._source.metrics.undecodable.inc()
        log_undecodable(message, error, self._source.log)
