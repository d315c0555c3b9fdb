"""One symbol's actor: hears, lets the core decide, commits, and only then speaks.

    inbox  ->  Grid.process  ->  Journal.commit (one record: causes, state, decisions, fills, offsets)  ->  Speaker

Whatever goes wrong with a commit ends the actor. Its successor reads the last step, claims the journal, says again what may
not have been heard, and goes on: there is no other recovery.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import NamedTuple, Never

import msgspec

from bus import (
    Bus,
    Journal,
    LatestValues,
    Logger,
    OffsetLost,
    Received,
    StepGate,
    forever,
    newest,
    read_durable,
)
from engine.actor import inputs
from engine.actor.candles import CandlesOf
from engine.actor.heartbeat import Heartbeat
from engine.actor.inbox import DurableInput, Inbox, Level
from engine.actor.late_trades import looked_up
from engine.actor.offsets import offsets_now
from engine.actor.publisher import Publisher
from engine.actor.shutdown import IsLast, decide_to_the_end, somebody_else
from engine.actor.watchdog import Watch
from engine.core.grid import Grid
from engine.core.step import Change
from engine.core.view import view
from engine.metrics import EngineMetrics
from engine.quarantine import Place, Poisoned
from engine.reasons import told_of
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import (
    EngineStarted,
    EngineStopping,
    Input,
    Step,
    StreamOffset,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream
from schemas.venue.account import OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, FeedChanged, Ticker

Followed = Ticker | FeedChanged | OpenOrders | Position | PortfolioLimits


class ActorTurns(NamedTuple):
    """Where an actor says how far it is, in lock-step: one for each thing it is waited for."""

    orders: StepGate
    ticker: StepGate


class Actor:
    """Runs one symbol until it is fenced or a commit fails."""

    def __init__(
        self,
        bus: Bus,
        entry: SymbolEntry,
        instrument: Instrument,
        *,
        turns: ActorTurns,
        watch: Watch,
        candles: CandlesOf,
        metrics: EngineMetrics,
        log: Logger,
    ) -> None:
        self._is_ending = False
        self._bus = bus
        self._entry = entry
        self._instrument = instrument
        self._turns = turns
        self._watch = watch
        self._candles_of = candles
        self._account = watch.account(bus, instrument)
        self._metrics = metrics
        self._log = log
        self._step_subject = subjects.step(entry.venue, entry.symbol)
        self._offsets: dict[str, StreamOffset] = {}
        self._epoch = 1
        self._grid = Grid(None, 0)
        self._positions: tuple[Position, ...] = ()
        self._limits: tuple[PortfolioLimits, ...] = ()
        self._heartbeat = Heartbeat(bus, entry.venue, entry.symbol)
        self.price_time = 0
        self.passed_over: frozenset[Place] = frozenset()
        """Inputs that a person decided to go on without."""
        self.is_last: IsLast = somebody_else
        """Asked when it ends: nobody else will go on with the symbol."""

    async def run(self) -> None:
        """Take the symbol over and run it, until it is removed.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when a commit failed.
        """
        self._journal = await Journal.open(self._bus, Stream.JOURNAL, self._step_subject)
        last = await newest(self._bus, Stream.JOURNAL, self._step_subject, Step, self._journal.last)
        if last is None:
            through = 0
            self._offsets = await offsets_now(self._bus)
        else:
            through = await self._claim(last.event)
        self._speaker = Publisher(
            self._bus,
            self._step_subject,
            subjects.grid(self._entry.venue, self._entry.symbol),
            self._log,
            through,
        )
        await self._speaker.say_again(last.stored.sequence if last else 0)
        state = self._grid.state
        settings = self._entry.settings if state is None else state.settings
        self._candles = self._candles_of(self._bus, self._entry.venue, self._entry.symbol, settings)
        await self._candles.load()
        self._inbox = Inbox(self._offsets[Stream.ORDERS].sequence)
        self._turns.orders.leave(self._offsets[Stream.ORDERS].sequence, self._journal.sequence)
        self._show()
        async with asyncio.TaskGroup() as tasks:
            pumps = self._listen(tasks)
            if not self._watch.is_recorded or (state is not None and state.asked):
                await self._ask_for_sweep()

            async def is_last() -> bool:
                # A pump that failed ends the actor as well, and its successor goes on.
                is_sound = not any(pump.done() for pump in pumps)
                return is_sound and not self._watch.is_recorded and await self.is_last()

            await decide_to_the_end(self._decide(), self._stop, is_last, self._log)
            # It is removed. What it said last is heard before it ends.
            await self._speaker.flush()
            for pump in pumps:
                pump.cancel()

    async def _claim(self, last: Step) -> int:
        """Fence every earlier actor: the same state once more, under the next epoch."""
        self._epoch = last.epoch + 1
        self._offsets = dict(last.offsets)
        is_added_anew = last.state.generation < self._entry.generation
        self._grid = Grid(None if is_added_anew else last.state, last.step)
        if not is_added_anew:
            self._watch.tick(last.state.price_time)
        claim = msgspec.structs.replace(
            last, epoch=self._epoch, causes=(), decisions=(), fills=(), notices=()
        )
        await self._journal.commit(claim)
        self._log.info("claimed", step=last.step, epoch=self._epoch)
        return last.published_through

    def _stop(self) -> None:
        self._inbox.put_level(EngineStopping(time=time.time_ns()))

    def _has_ended(self) -> bool:
        state = self._grid.state
        if state is not None and state.removed and state.generation >= self._entry.generation:
            return True
        is_out = state is not None and state.exiting and any(slot.order for slot in state.slots.values())
        return self._is_ending and not is_out

    async def _decide(self) -> None:
        while not self._has_ended():
            heard = await self._inbox.next()
            with self._heartbeat.working():
                await self._hear(heard)

    async def _hear(self, heard: DurableInput | Level | OpenOrders) -> None:
        match heard:
            case DurableInput():
                self._offsets[heard.stream] = heard.offset
                if heard.event is not None:
                    event = await looked_up(self._bus, self._grid.state, heard)
                    await self._process(event, place=Place(heard.stream, heard.offset.sequence))
                if heard.stream is Stream.ORDERS:
                    self._turns.orders.leave(heard.offset.sequence, self._journal.sequence)
            case Ticker() as ticker:
                await self._on_ticker(ticker)
            case OpenOrders() as sweep:
                known = (each for each in self._positions if each.time <= sweep.time)
                await self._process(sweep, *known)
            case EngineStopping() as event:
                self._is_ending = True
                await self._process(event)
            case (Candle() | FeedChanged() | TimePassed() | PortfolioLimits()) as event:
                await self._process(event)

    async def _on_ticker(self, ticker: Ticker) -> None:
        if self._grid.state is None:
            await self._process(inputs.added(self._entry, self._instrument, ticker.time), *self._limits)
        if self._grid.state is not None and self._grid.state.startup is not None:
            await self._process(*await self._account.levels())
        await self._process(*await self._candles.before(ticker.time))
        self.price_time = ticker.time
        self._watch.tick(ticker.time)
        if self._watch.is_recorded:
            ticker = msgspec.structs.replace(ticker, received_time=0)
        state = self._grid.state
        is_back = state is not None and state.exiting and not self._is_ending
        # Only now: before the first price it would place orders at an old one.
        started = (EngineStarted(time=time.time_ns()),) if is_back else ()
        await self._process(*started, ticker)
        self._turns.ticker.leave(ticker.time, self._journal.sequence)

    async def _process(self, *events: Input, place: Place | None = None) -> None:
        if not events:
            return
        started = time.perf_counter()
        try:
            change = self._grid.process(events)
        except Exception as error:
            raise Poisoned(place or Place(type(events[0]).__name__), self._grid.step, error) from error
        self._metrics.inputs.inc(len(events))
        if change is None:
            return
        decided = time.perf_counter()
        step = self._step(change)
        sequence = await self._journal.commit(step)
        self._metrics.observe_step(step, decided - started, time.perf_counter() - decided)
        await self._speaker.say(step, sequence)
        self._show()
        if any(map(inputs.asks_for_sweep, step.causes)):
            await self._ask_for_sweep()

    async def _ask_for_sweep(self) -> None:
        await self._bus.publish(subjects.sweep(self._entry.venue), b"")

    def _step(self, change: Change) -> Step:
        assert self._grid.state is not None
        return Step(
            venue=self._entry.venue,
            symbol=self._entry.symbol,
            step=change.step,
            epoch=self._epoch,
            offsets=self._offsets,
            causes=change.causes,
            state=self._grid.state,
            decisions=change.decisions,
            fills=change.fills,
            notices=change.notices,
            published_through=self._speaker.published_through,
            time=change.time,
        )

    def _show(self) -> None:
        if self._grid.state is not None:
            self._speaker.show(view(self._grid.state, self._grid.step), self._journal.sequence)

    def _listen(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Never]]:
        venue, symbol = self._entry.venue, self._entry.symbol
        orders = subjects.own_order_events(venue, symbol)
        commands = subjects.commands(venue, symbol)
        pumps = {
            "orders": self._read(Stream.ORDERS, orders, inputs.order_event),
            "control": self._read(Stream.CONTROL, commands, inputs.command),
            "ticker": self._follow(Stream.MARKET, (subjects.ticker(venue, symbol),), Ticker),
            "sweeps": self._follow(Stream.ACCOUNT, (subjects.open_orders(venue, symbol),), OpenOrders),
        }
        if feed := self._watch.feed_subjects(venue, symbol):
            pumps["feed"] = self._follow(Stream.MARKET, feed, FeedChanged)
        if position := self._watch.position_subjects(venue, symbol):
            pumps["position"] = self._follow(Stream.ACCOUNT, position, Position)
        if limits := self._watch.limits_subjects(venue):
            pumps["limits"] = self._follow(Stream.JOURNAL, limits, PortfolioLimits)
        pumps["candles"] = self._candles.follow(self._inbox.put_level)
        pumps["grids"] = self._speaker.show_grids()
        pumps["silence"] = self._hear_silence()
        pumps["heartbeat"] = self._heartbeat.beat()
        return [
            tasks.create_task(forever(name, pump), name=f"{name}:{symbol}") for name, pump in pumps.items()
        ]

    async def _read(
        self, stream: Stream, filters: tuple[str, ...], event_of: Callable[[Received], Input]
    ) -> None:
        while True:
            offset = self._offsets[stream]
            try:
                async with aclosing(read_durable(self._bus, stream, filters, offset)) as batches:
                    async for batch in batches:
                        for message in batch.messages:
                            await self._inbox.put(self._heard(stream, message, offset.created, event_of))
            except OffsetLost as lost:
                self._log.error("offset_lost", stream=stream, detail=str(lost))
                self._offsets[stream] = StreamOffset(
                    created=await self._bus.stream_created(stream), sequence=max(lost.first - 1, 0)
                )

    def _heard(
        self, stream: Stream, message: Received, created: str, event_of: Callable[[Received], Input]
    ) -> DurableInput:
        offset = StreamOffset(created=created, sequence=message.sequence)
        if Place(stream, message.sequence) in self.passed_over:
            self._log.error("passed_over", subject=message.subject, sequence=message.sequence)
            return DurableInput(stream, offset, None)
        try:
            return DurableInput(stream, offset, event_of(message))
        except UndecodableError as error:
            self._undecodable(message, error)
            return DurableInput(stream, offset, None)

    async def _follow(self, stream: Stream, filters: tuple[str, ...], kind: type[Followed]) -> None:
        async with LatestValues(self._bus, stream, filters) as levels:
            async for message in levels:
                try:
                    self._put(decode_as(message.data, kind))
                except UndecodableError as error:
                    self._undecodable(message, error)

    def _put(self, event: Followed) -> None:
        if isinstance(event, OpenOrders):
            self._inbox.put_sweep(event)
        elif isinstance(event, Position):
            self._positions = (event,)
        else:
            self._limits = (event,) if isinstance(event, PortfolioLimits) else self._limits
            self._inbox.put_level(event)

    async def _hear_silence(self) -> None:
        while True:
            self._inbox.put_level(await self._watch.silence())

    def _undecodable(self, message: Received, error: UndecodableError) -> None:
        self._metrics.undecodable.inc()
        self._log.error("undecodable", subject=message.subject, sequence=message.sequence, detail=str(error))

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the one reason, None when an opening order is out."""
        return self._grid.why_not_quoting()

    def status(self) -> dict[str, object]:
        """Return what /status says of this symbol."""
        return told_of(self._grid, self._epoch, self.price_time)
