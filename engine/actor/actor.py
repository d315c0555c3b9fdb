"""Actor of one symbol: applies inputs to the grid, commits each step, then publishes it.

inbox  ->  Grid.process  ->  Journal.commit (one record: causes, state, decisions, fills, offsets)  ->  Publisher
"""

import asyncio
import time
from typing import NamedTuple, Never, Self

import msgspec

from bus import Bus, Logger, StepGate, forever, trace_context
from engine.actor.candles import Candles, CandlesOf
from engine.actor.heartbeat import Heartbeat
from engine.actor.inbox import DurableInput, Inbox, StateUpdate, requires_sweep, symbol_added
from engine.actor.intents import GatewayIntents
from engine.actor.lost_records import find_loss, is_added_again
from engine.actor.market import SymbolMarket
from engine.actor.publisher import Publisher
from engine.actor.readers import Readers, Source
from engine.actor.resync import request_sweeps
from engine.actor.shutdown import IsLast, decide_until_stopped
from engine.actor.step_record import AppliedInput, AppliedInputs, Context, step_record
from engine.core.grid import Grid
from engine.core.step import Change
from engine.core.upgrade import upgraded
from engine.core.view import view
from engine.journaled_actor import ClaimedJournal, JournaledActor, claim_journal
from engine.metrics import EngineMetrics
from engine.quarantine import JOURNAL_LOST, InputRef, PoisonInput
from schemas import subjects
from schemas.engine.journal import (
    EngineStarted,
    EngineStopping,
    Input,
    MessageRef,
    ResyncRequired,
    Step,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream
from schemas.traceparent import traceparent_of
from schemas.units import SECOND_NS
from schemas.venue.account import OpenOrders
from schemas.venue.instruments import Instrument, InstrumentStatus
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport

INPUTS = (Stream.ORDERS, Stream.CONTROL)
"""Durable input streams."""
OUTPUTS = ("causes", "boundaries", "inputs", "decisions", "fills", "notices")
"""Fields of a step that a claim leaves empty."""
MAX_HELD_REPORTS = 100
MAX_HELD_S = 5.0
"""Order reports that only change the state wait for the next step: at most so many, and for so long."""


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
    remembered: bytes = b""
    """The last record of the symbol's journal that this process committed; empty without one."""
    engine: str = ""
    """The name of the engine process."""


class Actor(JournaledActor[Step]):
    """Runs one symbol until it is removed or fails. Created by `start`."""

    def __init__(
        self,
        context: ActorContext,
        claimed: ClaimedJournal[Step],
        grid: Grid,
        publisher: Publisher,
        candles: Candles,
        loss: ResyncRequired | None,
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
        self._intents = GatewayIntents(context.bus, context.entry)
        self._inputs = AppliedInputs()
        self._loss = loss
        """Lost records found at the start; None once the core knows."""
        self._held_since = 0.0
        """When the first of the held reports was applied, by the loop's clock."""
        self._view = None if grid.state is None else view(grid.state, grid.step)
        """The grid as committed."""
        self._heartbeat = Heartbeat(context.bus, context.entry.venue, context.entry.symbol, context.engine)
        self._readers = Readers(
            Source(
                context.bus,
                context.entry,
                context.market,
                candles,
                self._offsets,
                self._epoch,
                context.skipped,
                context.metrics,
                context.log,
            ),
            self._inbox,
        )
        self._instrument = context.instrument
        self._price_time = 0
        self._is_stopping = False

    @classmethod
    async def start(cls, context: ActorContext) -> Self:
        """Claim the symbol's journal, republish unconfirmed steps, and return an actor that continues there.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when the claim failed.
        """
        bus, entry, log = context.bus, context.entry, context.log
        subject = subjects.step(entry.venue, entry.symbol)
        claimed = await claim_journal(
            bus,
            subject,
            Step,
            inputs=INPUTS,
            outputs=OUTPUTS,
            log=log,
            prepare=upgraded,
            remembered=context.remembered,
        )
        may_start_anew = JOURNAL_LOST in context.skipped
        loss = await find_loss(bus, entry, claimed, may_start_anew=may_start_anew)
        grid = Grid(None, 0)
        if (last := claimed.last) is not None:
            is_new = is_added_again(last.state, entry)
            grid = Grid(None if is_new else last.state, last.step)
            if not is_new and context.market.silence is not None:
                context.market.silence.on_tick(last.state.price_time)
        grid_subject = subjects.grid(entry.venue, entry.symbol)
        publisher = Publisher(bus, subject, grid_subject, log, claimed.published_through)
        await publisher.republish(claimed.last_sequence)
        if grid.state is not None:
            fills = subjects.fill(entry.venue, entry.symbol)
            await publisher.republish_lost(claimed.last_sequence, fills, grid.state.last_fill_step)
        settings = entry.settings if grid.state is None else grid.state.settings
        candles = context.candles(bus, entry.venue, entry.symbol, settings)
        await candles.load()
        return cls(context, claimed, grid, publisher, candles, loss)

    async def run(self) -> None:
        """Run the symbol until it is removed.

        Raises: an ExceptionGroup of PoisonInput when the core failed on an input; Fenced when another actor took over; or
        another BusError when a commit failed or the events of a step were not stored.
        """
        self._gates.orders.leave(self._offsets[Stream.ORDERS].sequence, self._journal.sequence)
        self._publish_grid()
        await self._tell_loss()
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

    @property
    def record(self) -> bytes:
        """The last committed record of the journal, encoded; empty before the first."""
        return self._journal.record

    def why_not_quoting(self) -> NotQuoting | None:
        """Return the reason for not quoting, None while an opening order is live."""
        return NotQuoting.NO_PRICE if self._view is None else self._view.not_quoting

    def status(self) -> dict[str, object]:
        """Return the symbol's section of /status."""
        age_s = (time.time_ns() - self._price_time) / SECOND_NS if self._price_time else None
        return {
            "step": self._grid.step,
            "epoch": self._epoch,
            "not_quoting": self.why_not_quoting(),
            "detail": "" if self._view is None else self._view.not_quoting_detail,
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
            item = await self._inbox.next(self._held_for_s())
            with self._heartbeat.working():
                if item is not None:
                    await self._handle(item)
                if self._held_for_s() == 0:
                    await self._commit(self._grid.release_held())
        await self._commit(self._grid.release_held())

    async def _handle(self, item: DurableInput | StateUpdate | OpenOrders) -> None:
        match item:
            case DurableInput() as durable:
                await self._handle_durable(durable)
            case Ticker() as ticker:
                await self._on_ticker(ticker)
            case OpenOrders() as sweep:
                # A sweep, the periodic query of the venue's open orders, with the position if it was read before.
                known = (each for each in self._readers.positions if each.time <= sweep.time)
                await self._process(sweep, *known)
            case EngineStopping() as event:
                self._is_stopping = True
                await self._process(event)
            case Instrument() as instrument:
                self._instrument = instrument
                # Before the first price, orders would be placed at an old one: the first tick brings the instrument.
                if self._price_time or instrument.status is not InstrumentStatus.TRADING:
                    await self._process(instrument)
            case (Candle() | FeedChanged() | TimePassed() | PortfolioLimits()) as event:
                await self._process(event)

    async def _handle_durable(self, durable: DurableInput) -> None:
        ref = InputRef(durable.stream, durable.offset.sequence)
        if durable.unknown is not None:
            raise PoisonInput(ref, self._grid.step, durable.unknown)
        self._offsets[durable.stream] = durable.offset
        if durable.event is not None:
            message = MessageRef(stream=ref.source, sequence=ref.sequence)
            self._inputs.add(AppliedInput(durable.event, message, durable.trace))
            await self._process(durable.event, ref=ref)
        if durable.stream is Stream.ORDERS:
            self._gates.orders.leave(durable.offset.sequence, self._journal.sequence)

    async def _on_ticker(self, ticker: Ticker) -> None:
        if self._grid.state is None:
            await self._intents.wait_for_first()
            added = symbol_added(self._entry, self._instrument, ticker.time)
            await self._process(added, *self._readers.limits)
            await self._tell_loss()
        if self._grid.state is not None and self._grid.state.startup is not None:
            await self._process(*await self._account.read())
        await self._process(*await self._candles.before(ticker.time))
        instruments = () if self._price_time else (self._instrument,)
        self._price_time = ticker.time
        if self._market.silence is not None:
            self._market.silence.on_tick(ticker.time)
        if self._market.is_recorded:
            ticker = msgspec.structs.replace(ticker, received_time=0)
        state = self._grid.state
        is_restarted = state is not None and state.exiting and not self._is_stopping
        # Not earlier: before the first price, orders would be placed at an old one.
        started = (EngineStarted(time=time.time_ns()),) if is_restarted else ()
        await self._process(*instruments, *started, ticker)
        self._gates.ticker.leave(ticker.time, self._journal.sequence)

    async def _process(self, *events: Input, ref: InputRef | None = None) -> None:
        if not events:
            return
        started = time.perf_counter()
        may_hold = self._market.holds_reports and isinstance(events[0], OrderReport)
        try:
            change = self._grid.process(events, may_hold=may_hold)
        except Exception as error:
            failed = ref or InputRef(type(events[0]).__name__)
            raise PoisonInput(failed, self._grid.step, error) from error
        self._metrics.inputs.inc(len(events))
        await self._commit(change, time.perf_counter() - started)

    async def _commit(self, change: Change | None, decide_s: float = 0.0) -> None:
        if change is None:
            return
        decided = time.perf_counter()
        step = self._step(change)
        with trace_context(traceparent_of(step)):
            sequence = await self._journal.commit(step)
        self._metrics.observe_step(step, decide_s, time.perf_counter() - decided)
        await self._publisher.publish(step, sequence)
        self._publish_grid()
        if any(requires_sweep(each, step.state) for each in step.causes):
            await self._request_sweep()

    async def _request_sweep(self) -> None:
        await self._bus.publish(subjects.sweep(self._entry.venue), b"")

    def _step(self, change: Change) -> Step:
        assert self._grid.state is not None
        context = Context(self._epoch, self._offsets, self._publisher.published_through, self._intents.newest)
        return step_record(change, self._grid.state, context, self._inputs.take(change.causes))

    def _held_for_s(self) -> float | None:
        """Return how long the held reports may still wait, in seconds; None without any."""
        held, now = self._grid.held_reports, asyncio.get_running_loop().time()
        if not held:
            self._held_since = 0.0
            return None
        self._held_since = self._held_since or now
        return 0.0 if held >= MAX_HELD_REPORTS else max(self._held_since + MAX_HELD_S - now, 0.0)

    async def _tell_loss(self) -> None:
        """Apply the loss of records found at the start, as soon as there is a state."""
        if self._loss is not None and self._grid.state is not None:
            loss, self._loss = self._loss, None
            self._log.error("records_lost", detail=loss.reason)
            await self._process(loss)

    def _publish_grid(self) -> None:
        if self._grid.state is not None:
            self._view = view(self._grid.state, self._grid.step)
            self._publisher.publish_grid(self._view, self._journal.sequence)

    def _start_pumps(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Never]]:
        pumps = {
            **self._readers.all(),
            "grids": self._publisher.run_grids(),
            "intents": self._intents.run(),
            "resync": request_sweeps(self._bus, lambda: self._grid.state),
            "heartbeat": self._heartbeat.run(),
        }
        symbol = self._entry.symbol
        return [
            tasks.create_task(forever(name, pump), name=f"{name}:{symbol}") for name, pump in pumps.items()
        ]
