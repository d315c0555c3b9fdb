"""Actor of one symbol: applies inputs to the grid, commits each step, then publishes it.

inbox  ->  Grid.process  ->  Journal.commit (one record: causes, state, decisions, fills, offsets)  ->  Publisher
"""

import asyncio
from typing import Never, Self

import msgspec

from bus import forever, trace_context
from bus.runtime import monotonic_s, time_ns
from engine.actor.heartbeat import Heartbeat
from engine.actor.inbox import DurableInput, Inbox, StateUpdate, requires_sweep, symbol_added
from engine.actor.intents import GatewayIntents
from engine.actor.ledger import Booked, Ledger
from engine.actor.lost_records import request_sweeps
from engine.actor.readers import Readers, Source
from engine.actor.shutdown import decide_until_stopped
from engine.actor.start import ActorContext, StartedFrom, prepare
from engine.actor.step_record import AppliedInput, AppliedInputs, Context, step_record
from engine.core.step import Change
from engine.core.view import view
from engine.journaled_actor import JournaledActor
from engine.quarantine import InputRef, PoisonInput
from engine.step_marks import mark_step, mark_trade
from schemas import subjects
from schemas.engine.journal import (
    EngineStarted,
    EngineStopping,
    Input,
    LedgerGap,
    MessageRef,
    ResyncRequired,
    Step,
    TimePassed,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import NotQuoting
from schemas.subjects import Stream
from schemas.traceparent import traceparent_of
from schemas.units import SECOND_NS
from schemas.venue.account import Balance, OpenOrders
from schemas.venue.instruments import Instrument, InstrumentStatus
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade

MAX_HELD_REPORTS = 100
MAX_HELD_S = 5.0
"""Order reports that only change the state wait for the next step: at most so many, and for so long."""


class Actor(JournaledActor[Step]):
    """Runs one symbol until it is removed or fails. Created by `start`."""

    def __init__(self, context: ActorContext, start: StartedFrom) -> None:
        super().__init__(context.bus, start.claimed, context.log)
        self._context = context
        self._entry = context.entry
        self._gates = context.gates
        self._market = context.market
        self._metrics = context.metrics
        self._grid = start.grid
        self._publisher = start.publisher
        self._candles = start.candles
        self._account = context.market.account(context.bus, context.instrument)
        self._inbox = Inbox(self._offsets[Stream.ORDERS].sequence)
        self._intents = GatewayIntents(
            context.bus, context.entry, self._epoch, self._inbox.put_update, context.log
        )
        self._inputs = AppliedInputs()
        self._loss = start.loss
        """Lost records found at the start; None once the core knows."""
        self._held_since = 0.0
        """When the first of the held reports was applied, by the loop's clock."""
        self._view = None if start.grid.state is None else view(start.grid.state, start.grid.step)
        """The grid as committed."""
        self._heartbeat = Heartbeat(context.bus, context.entry.venue, context.entry.symbol, context.engine)
        self._readers = Readers(
            Source(
                context.bus,
                context.entry,
                context.market,
                start.candles,
                self._offsets,
                self._epoch,
                context.skipped,
                context.metrics,
                context.log,
            ),
            self._inbox,
        )
        self._earlier = start.earlier
        self._instrument = context.instrument
        self._price_time = 0
        self._breaker = None if start.grid.state is None else start.grid.state.breaker.state
        self._is_stopping = False

    @classmethod
    async def start(cls, context: ActorContext) -> Self:
        """Claim the symbol's journal, republish unconfirmed steps, and return an actor that continues there.

        Raises: Fenced when another actor took over; Ambiguous, NoSpace or StreamGone when the claim failed; JournalLost.
        """
        return cls(context, await prepare(context))

    async def run(self) -> None:
        """Run the symbol until it is removed.

        Raises: an ExceptionGroup of PoisonInput when the core failed on an input; Fenced when another actor took over; or
        another BusError when a commit failed or the events of a step were not stored.
        """
        self._gates.orders.leave(self._offsets[Stream.ORDERS].sequence, self._journal.sequence)
        self._publish_grid()
        await self._report_loss()
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
        age_s = (time_ns() - self._price_time) / SECOND_NS if self._price_time else None
        return {
            "step": self._grid.step,
            "epoch": self._epoch,
            "not_quoting": self.why_not_quoting(),
            "detail": "" if self._view is None else self._view.not_quoting_detail,
            "price_age_s": age_s and round(age_s, 3),
        }

    def _stop(self) -> None:
        self._inbox.put_update(EngineStopping(time=time_ns()))

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
            case (
                Candle() | FeedChanged() | TimePassed() | PortfolioLimits() | ResyncRequired() | LedgerGap()
            ) as event:
                await self._process(event)
            case Balance() as balance:
                await self._process(balance)

    async def _handle_durable(self, durable: DurableInput) -> None:
        ref = InputRef(durable.stream, durable.offset.sequence)
        if durable.unknown is not None:
            raise PoisonInput(ref, self._grid.step, durable.unknown)
        self._offsets[durable.stream] = durable.offset
        if durable.event is not None:
            message = MessageRef(stream=ref.source, sequence=ref.sequence)
            if isinstance(durable.event, Trade):
                mark_trade(self._grid.state, durable.event)
            self._inputs.add(AppliedInput(durable.event, message, durable.trace))
            await self._process(durable.event, ref=ref)
        if durable.stream is Stream.ORDERS:
            self._gates.orders.leave(durable.offset.sequence, self._journal.sequence)

    async def _on_ticker(self, ticker: Ticker) -> None:
        if self._grid.state is None:
            await self._intents.wait_for_first()
            added = symbol_added(self._entry, self._instrument, ticker.time, self._earlier)
            await self._process(added, *self._readers.limits)
            await self._report_loss()
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
        started = (EngineStarted(time=time_ns()),) if is_restarted else ()
        await self._process(*instruments, *started, ticker)
        self._gates.ticker.leave(ticker.time, self._journal.sequence)

    async def _process(self, *events: Input, ref: InputRef | None = None) -> None:
        if not events:
            return
        started = monotonic_s()
        may_hold = self._market.holds_reports and isinstance(events[0], OrderReport)
        try:
            change = self._grid.process(events, may_hold=may_hold)
        except Exception as error:
            failed = ref or InputRef(type(events[0]).__name__)
            raise PoisonInput(failed, self._grid.step, error) from error
        self._metrics.inputs.inc(len(events))
        await self._commit(change, monotonic_s() - started)

    async def _commit(self, change: Change | None, decide_s: float = 0.0) -> None:
        if change is None:
            return
        decided = monotonic_s()
        step = self._step(change)
        with trace_context(traceparent_of(step)):
            sequence = await self._journal.commit(step)
        self._metrics.observe_step(step, decide_s, monotonic_s() - decided)
        mark_step(step, self._breaker)
        self._breaker = step.state.breaker.state
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

    async def _report_loss(self) -> None:
        """Apply the loss of records found at the start, as soon as there is a state."""
        if self._loss is not None and self._grid.state is not None:
            loss, self._loss = self._loss, None
            self._log.error("records_lost", detail=loss.reason)
            await self._process(loss)

    def _publish_grid(self) -> None:
        if self._grid.state is not None:
            self._view = view(self._grid.state, self._grid.step)
            self._publisher.publish_grid(self._view, self._journal.sequence)

    def _booked(self) -> Booked | None:
        state, shown = self._grid.state, self._view
        if state is None or shown is None:
            return None
        return Booked(
            step=shown.step,
            sequence=self._journal.sequence,
            fills=shown.opened_trades + shown.closed_trades,
            lost=state.lost_fills,
            since=shown.first_time,
            time=shown.time,
            complete_from=state.ledger_from,
        )

    def _start_pumps(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Never]]:
        pumps = {
            **self._readers.all(),
            "grids": self._publisher.run_grids(),
            "intents": self._intents.run(),
            "resync": request_sweeps(self._bus, lambda: self._grid.state),
            "heartbeat": self._heartbeat.run(),
            "ledger": Ledger(self._bus, self._entry, self._booked, self._inbox.put_update, self._log).run(),
        }
        symbol = self._entry.symbol
        return [
            tasks.create_task(forever(name, pump), name=f"{name}:{symbol}") for name, pump in pumps.items()
        ]
