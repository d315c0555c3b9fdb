"""Actor of one symbol: applies inputs to the grid, commits each step, then publishes it.

inbox  ->  Grid.process  ->  Journal.commit (one record: causes, state, decisions, fills, offsets)  ->  Publisher
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Never, Self

import msgspec

from bus import Bus, LatestValues, Logger, Received, StepGate, forever
from engine.actor.candles import Candles, CandlesOf
from engine.actor.heartbeat import Heartbeat
from engine.actor.inbox import (
    DurableInput,
    Inbox,
    StateUpdate,
    command_received,
    order_event,
    requires_sweep,
    symbol_added,
)
from engine.actor.late_trades import mark_late_trade
from engine.actor.market import SilenceTimer, SymbolMarket
from engine.actor.publisher import Publisher
from engine.actor.shutdown import IsLast, decide_until_stopped
from engine.core.blocking import detail_of
from engine.core.grid import Grid
from engine.core.step import Change
from engine.core.view import view
from engine.journaled_actor import ClaimedJournal, JournaledActor, claim_journal
from engine.metrics import EngineMetrics
from engine.quarantine import InputRef, PoisonInput
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
from schemas.units import SECOND_NS
from schemas.venue.account import OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, FeedChanged, Ticker

Latest = Ticker | FeedChanged | OpenOrders | Position | PortfolioLimits

INPUTS = (Stream.ORDERS, Stream.CONTROL)
"""Durable input streams."""
OUTPUTS = ("causes", "decisions", "fills", "notices")
"""Fields of a step that a claim leaves empty."""


class ActorGates(NamedTuple):
    """Where an actor reports its progress in lock-step: one gate for each kind of input."""

    orders: StepGate
    ticker: StepGate


class ActorContext(NamedTuple):
    """Dependencies of an actor, beside its journal."""

    bus: Bus
    entry: SymbolEntry
    instrument: Instrument
    gates: ActorGates
    market: SymbolMarket
    candles: CandlesOf
    metrics: EngineMetrics
    is_last: IsLast
    """Returns, at shutdown, whether no other engine will take over the symbol."""
    skipped: frozenset[InputRef]
    """Poison inputs that a reset excluded."""
    log: Logger


class Actor(JournaledActor[Step]):
    """Runs one symbol until it is removed or fails. Created by `start`."""

    def __init__(
        self,
        context: ActorContext,
        claimed: ClaimedJournal[Step],
        grid: Grid,
        publisher: Publisher,
        candles: Candles,
    ) -> None:
        super().__init__(context.bus, claimed, context.log)
        self._context = context
        self._entry = context.entry
        self._gates = context.gates
        self._market = context.market
        self._metrics = context.metrics
        self._grid = grid
        self._publisher = publisher
        self._candles = candles
        self._account = context.market.account(context.bus, context.instrument)
        self._inbox = Inbox(self._offsets[Stream.ORDERS].sequence)
        self._heartbeat = Heartbeat(context.bus, context.entry.venue, context.entry.symbol)
        self._positions: tuple[Position, ...] = ()
        self._limits: tuple[PortfolioLimits, ...] = ()
        self._price_time = 0
        self._is_stopping = False

    @classmethod
    async def start(cls, context: ActorContext) -> Self:
        """Claim the symbol's journal, republish unconfirmed steps, and return an actor that continues there.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when the claim failed.
        """
        bus, entry, log = context.bus, context.entry, context.log
        subject = subjects.step(entry.venue, entry.symbol)
        claimed = await claim_journal(bus, subject, Step, inputs=INPUTS, outputs=OUTPUTS, log=log)
        grid = Grid(None, 0)
        if (last := claimed.last) is not None:
            is_added_again = last.state.generation < entry.generation
            grid = Grid(None if is_added_again else last.state, last.step)
            if not is_added_again and context.market.silence is not None:
                context.market.silence.on_tick(last.state.price_time)
        grid_subject = subjects.grid(entry.venue, entry.symbol)
        publisher = Publisher(bus, subject, grid_subject, log, claimed.published_through)
        await publisher.republish(claimed.last_sequence)
        settings = entry.settings if grid.state is None else grid.state.settings
        candles = context.candles(bus, entry.venue, entry.symbol, settings)
        await candles.load()
        return cls(context, claimed, grid, publisher, candles)

    async def run(self) -> None:
        """Run the symbol until it is removed.

        Raises: an ExceptionGroup of PoisonInput when the core failed on an input; Fenced when another actor took over; or
        another BusError when a commit failed or the events of a step were not stored.
        """
        self._gates.orders.leave(self._offsets[Stream.ORDERS].sequence, self._journal.sequence)
        self._publish_grid()
        state = self._grid.state
        async with asyncio.TaskGroup() as tasks:
            pumps = self._start_pumps(tasks)
            if not self._market.is_recorded or (state is not None and state.asked):
                await self._request_sweep()

            async def is_last() -> bool:
                # A failed pump also ends the actor, and a new actor continues.
                is_sound = not any(pump.done() for pump in pumps)
                return is_sound and not self._market.is_recorded and await self._context.is_last()

            await decide_until_stopped(self._decide(), self._stop, is_last, self._log)
            # The symbol is removed. Its last step is published before the actor ends.
            await self._publisher.flush()
            for pump in pumps:
                pump.cancel()

    @property
    def generation(self) -> int:
        """The generation of new order ids; 0 before the first step."""
        return 0 if self._grid.state is None else self._grid.state.generation

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the reason for not quoting, None while an opening order is live."""
        return self._grid.why_not_quoting()

    def status(self) -> dict[str, object]:
        """Return the symbol's section of /status."""
        reason, state = self._grid.why_not_quoting(), self._grid.state
        age_s = (time.time_ns() - self._price_time) / SECOND_NS if self._price_time else None
        return {
            "step": self._grid.step,
            "epoch": self._epoch,
            "not_quoting": reason.value if reason else None,
            "detail": "" if state is None else detail_of(state, reason),
            "price_age_s": age_s and round(age_s, 3),
        }

    def _stop(self) -> None:
        self._inbox.put_update(EngineStopping(time=time.time_ns()))

    def _has_ended(self) -> bool:
        state = self._grid.state
        if state is not None and state.removed and state.generation >= self._entry.generation:
            return True
        has_open_orders = (
            state is not None and state.exiting and any(slot.order for slot in state.slots.values())
        )
        return self._is_stopping and not has_open_orders

    async def _decide(self) -> None:
        while not self._has_ended():
            item = await self._inbox.next()
            with self._heartbeat.working():
                await self._handle(item)

    async def _handle(self, item: DurableInput | StateUpdate | OpenOrders) -> None:
        match item:
            case DurableInput() as durable:
                self._offsets[durable.stream] = durable.offset
                if durable.event is not None:
                    event = await mark_late_trade(self._bus, self._grid.state, durable)
                    await self._process(event, ref=InputRef(durable.stream, durable.offset.sequence))
                if durable.stream is Stream.ORDERS:
                    self._gates.orders.leave(durable.offset.sequence, self._journal.sequence)
            case Ticker() as ticker:
                await self._on_ticker(ticker)
            case OpenOrders() as sweep:
                # A sweep, the periodic query of the venue's open orders, with the position if it was read before.
                known = (each for each in self._positions if each.time <= sweep.time)
                await self._process(sweep, *known)
            case EngineStopping() as event:
                self._is_stopping = True
                await self._process(event)
            case (Candle() | FeedChanged() | TimePassed() | PortfolioLimits()) as event:
                await self._process(event)

    async def _on_ticker(self, ticker: Ticker) -> None:
        if self._grid.state is None:
            await self._process(
                symbol_added(self._entry, self._context.instrument, ticker.time), *self._limits
            )
        if self._grid.state is not None and self._grid.state.startup is not None:
            await self._process(*await self._account.read())
        await self._process(*await self._candles.before(ticker.time))
        self._price_time = ticker.time
        if self._market.silence is not None:
            self._market.silence.on_tick(ticker.time)
        if self._market.is_recorded:
            ticker = msgspec.structs.replace(ticker, received_time=0)
        state = self._grid.state
        is_restarted = state is not None and state.exiting and not self._is_stopping
        # Not earlier: before the first price, orders would be placed at an old one.
        started = (EngineStarted(time=time.time_ns()),) if is_restarted else ()
        await self._process(*started, ticker)
        self._gates.ticker.leave(ticker.time, self._journal.sequence)

    async def _process(self, *events: Input, ref: InputRef | None = None) -> None:
        if not events:
            return
        started = time.perf_counter()
        try:
            change = self._grid.process(events)
        except Exception as error:
            failed = ref or InputRef(type(events[0]).__name__)
            raise PoisonInput(failed, self._grid.step, error) from error
        self._metrics.inputs.inc(len(events))
        if change is None:
            return
        decided = time.perf_counter()
        step = self._step(change)
        sequence = await self._journal.commit(step)
        self._metrics.observe_step(step, decided - started, time.perf_counter() - decided)
        await self._publisher.publish(step, sequence)
        self._publish_grid()
        if any(map(requires_sweep, step.causes)):
            await self._request_sweep()

    async def _request_sweep(self) -> None:
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
            published_through=self._publisher.published_through,
            time=change.time,
        )

    def _publish_grid(self) -> None:
        if self._grid.state is not None:
            self._publisher.publish_grid(view(self._grid.state, self._grid.step), self._journal.sequence)

    def _start_pumps(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Never]]:
        venue, symbol = self._entry.venue, self._entry.symbol
        orders = subjects.own_order_events(venue, symbol)
        commands = subjects.commands(venue, symbol)
        pumps = {
            "orders": self._read_inputs(Stream.ORDERS, orders, order_event),
            "control": self._read_inputs(Stream.CONTROL, commands, command_received),
            "ticker": self._follow(Stream.MARKET, (subjects.ticker(venue, symbol),), Ticker),
            "sweeps": self._follow(Stream.ACCOUNT, (subjects.open_orders(venue, symbol),), OpenOrders),
        }
        if feed := self._market.feed_subjects(venue, symbol):
            pumps["feed"] = self._follow(Stream.MARKET, feed, FeedChanged)
        if position := self._market.position_subjects(venue, symbol):
            pumps["position"] = self._follow(Stream.ACCOUNT, position, Position)
        if limits := self._market.limits_subjects(venue):
            pumps["limits"] = self._follow(Stream.JOURNAL, limits, PortfolioLimits)
        pumps["candles"] = self._candles.follow(self._inbox.put_update)
        pumps["grids"] = self._publisher.run_grids()
        if (silence := self._market.silence) is not None:
            pumps["silence"] = self._follow_silence(silence)
        pumps["heartbeat"] = self._heartbeat.run()
        return [
            tasks.create_task(forever(name, pump), name=f"{name}:{symbol}") for name, pump in pumps.items()
        ]

    async def _read_inputs(
        self, stream: Stream, filters: tuple[str, ...], decode: Callable[[Received], Input]
    ) -> None:
        async def put(stream: Stream, offset: StreamOffset, message: Received) -> None:
            await self._inbox.put(DurableInput(stream, offset, self._decode(stream, message, decode)))

        await self._read_durable(stream, filters, put)

    def _decode(self, stream: Stream, message: Received, decode: Callable[[Received], Input]) -> Input | None:
        if InputRef(stream, message.sequence) in self._context.skipped:
            self._log.error("input_skipped", subject=message.subject, sequence=message.sequence)
            return None
        try:
            return decode(message)
        except UndecodableError as error:
            self._log_undecodable(message, error)
            return None

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
            self._positions = (event,)
        else:
            self._limits = (event,) if isinstance(event, PortfolioLimits) else self._limits
            self._inbox.put_update(event)

    async def _follow_silence(self, silence: SilenceTimer) -> None:
        while True:
            self._inbox.put_update(await silence.next_silence())

    def _log_undecodable(self, message: Received, error: UndecodableError) -> None:
        self._metrics.undecodable.inc()
        super()._log_undecodable(message, error)
