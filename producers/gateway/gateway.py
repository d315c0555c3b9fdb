"""The gateway: sends what the engine committed, each order at most once, and finds out what became of it.

    step in JOURNAL  ->  intent in ORDERS (fences any other gateway)  ->  request to the venue  ->  report in ORDERS

Here is what makes it once: which step was acted on, and what may have been sent when a gateway died. How orders are
placed, canceled and asked for is in `desk`.
"""

import asyncio
import time

import msgspec

from bus import (
    Bus,
    FromSequence,
    Journal,
    Newest,
    OffsetLost,
    Received,
    Service,
    StepGate,
    forever,
    newest,
    read,
)
from producers.gateway.engine_watchdog import SilenceGuard
from producers.gateway.executor import GatewayMetrics, OrderExecutor, PreTradeChecks
from producers.outbox import Outbox
from producers.ports import DeadManSwitch, OrderEntry
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.engine.journal import Step
from schemas.subjects import Stream
from schemas.units import DurationNs, Symbol, TimeNs
from schemas.venue.orders import Decision, OrderIntent, PlaceOrder

SETTLED_LOOK_S = 0.2


class Gateway:
    """Acts for one symbol."""

    def __init__(
        self,
        service: Service,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: GatewayMetrics,
        turns: StepGate,
        concurrency: int,
        place_lifetime: DurationNs,
        precautions: PreTradeChecks,
    ) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._desk = OrderExecutor(
            service,
            entry,
            symbol,
            metrics=metrics,
            precautions=precautions,
            concurrency=concurrency,
            place_lifetime=place_lifetime,
        )
        self._book = precautions.exposure.book(symbol)
        self._heartbeat = precautions.heartbeat
        self._guard = SilenceGuard(
            entry.venue,
            symbol,
            precautions.heartbeat,
            self._desk,
            self._book,
            Outbox(service.bus, service.log),
            service.log,
        )
        self._dead_man_s = precautions.dead_man_s
        self._switch = entry if self._dead_man_s and isinstance(entry, DeadManSwitch) else None
        self._venue = entry.venue
        self.symbol = symbol
        self._turns = turns
        self._place_lifetime = place_lifetime
        self._read_through = 0
        self._unfinished: set[int] = set()
        self._metrics = metrics

    async def run(self) -> None:
        """Take over from the gateway before, then act on each step as it is committed; for ever.

        Raises: Fenced when another gateway took over.
        """
        subject = subjects.order_intent(self._venue, self.symbol)
        journal = await Journal.open(self._bus, Stream.ORDERS, subject)
        last = self._claim(await newest(self._bus, Stream.ORDERS, subject, OrderIntent, journal.last))
        await journal.commit(last)
        await self._recall()
        self._read_through = last.step_sequence
        self._leave()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("silence", self._guard.run()), name="silence")
            if self._switch is not None:
                switch = self._guard.keep_switch(self._switch, self._dead_man_s)
                tasks.create_task(forever("switch", switch), name="switch")
            for client_order_id, sent_time in tuple(self._desk.unresolved.items()):
                tasks.create_task(
                    self._desk.resolve(client_order_id, sent_time), name=f"resolve:{client_order_id}"
                )
            for decision in last.decisions:
                self._desk.start(decision, tasks)
            await self._act_on_steps(journal, last, tasks)

    @property
    def opening_orders(self) -> int:
        """How many opening orders are at the venue, or may be."""
        return len(self._book.orders)

    async def settled(self) -> None:
        """Return when all that was decided by now is carried out, and nothing is unresolved."""
        step = await self._bus.last(Stream.JOURNAL, subjects.step(self._venue, self.symbol))
        through = step.sequence if step is not None else 0
        while self._read_through < through or self._unfinished or self._desk.unresolved:  # noqa: ASYNC110
            # Once in a symbol's life: not worth an event at each of the places that change it.
            await asyncio.sleep(SETTLED_LOOK_S)

    def status(self) -> dict[str, object]:
        """Return what /status says of this symbol."""
        status: dict[str, object] = {
            "unresolved": len(self._desk.unresolved),
            "opening_orders": self.opening_orders,
        }
        if self._heartbeat.is_silent:
            status["problem"] = "the engine is not heard: nothing is opened"
        return status

    async def _recall(self) -> None:
        # Which opening orders may be at the venue is to be known however long nothing new is decided.
        subject = subjects.step(self._venue, self.symbol)
        stored = await self._bus.last(Stream.JOURNAL, subject)
        last = await newest(self._bus, Stream.JOURNAL, subject, Step, stored)
        if last is not None:
            self._book.follow(last.event.state, self._desk.unresolved)

    def _claim(self, last: Newest[OrderIntent] | None) -> OrderIntent:
        """Return the intent that fences every gateway before: what it may have sent is asked for, its cancels redone."""
        if last is None:
            return OrderIntent(
                venue=self._venue, symbol=self.symbol, epoch=1, step=0, step_sequence=0, decisions=()
            )
        intent = last.event
        placed = tuple(d.client_order_id for d in intent.decisions if isinstance(d, PlaceOrder))
        self._desk.unresolved = dict.fromkeys((*intent.unresolved, *placed), last.stored.time_ns)
        self._desk.market_time = intent.time
        return msgspec.structs.replace(
            intent,
            epoch=intent.epoch + 1,
            decisions=tuple(d for d in intent.decisions if not isinstance(d, PlaceOrder)),
            unresolved=tuple(self._desk.unresolved),
        )

    async def _act_on_steps(self, journal: Journal, intent: OrderIntent, tasks: asyncio.TaskGroup) -> None:
        filters = (subjects.step(self._venue, self.symbol),)
        position = intent.step_sequence
        while True:
            try:
                async for batch in read(self._bus, Stream.JOURNAL, filters, FromSequence(position + 1)):
                    for message in batch.messages:
                        await self._act_on(journal, intent.epoch, message, tasks)
                        position = message.sequence
            except OffsetLost as lost:
                self._log.error("steps_lost", symbol=self.symbol, detail=str(lost))
                position = lost.first - 1

    async def _act_on(
        self, journal: Journal, epoch: int, message: Received, tasks: asyncio.TaskGroup
    ) -> None:
        await self._turns.enter(message.sequence)
        started: list[asyncio.Task[None]] = []
        try:
            step = decode_as(message.data, Step)
        except UndecodableError as error:
            self._metrics.undecodable.inc()
            self._log.error(
                "undecodable", subject=message.subject, sequence=message.sequence, detail=str(error)
            )
        else:
            self._follow(step)
            decisions = await self._without_expired(step, message.time_ns)
            if decisions:
                await journal.commit(self._intent(epoch, step, message.sequence, decisions))
                started = [self._desk.start(decision, tasks) for decision in decisions]
        self._read_through = message.sequence
        if started:
            self._unfinished.add(message.sequence)
            tasks.create_task(self._finish(message.sequence, started), name=f"finish:{message.sequence}")
        else:
            self._leave()

    def _follow(self, step: Step) -> None:
        self._desk.market_time = max(self._desk.market_time, step.time)
        self._desk.price = step.state.price or self._desk.price
        self._book.follow(step.state, self._desk.unresolved)

    async def _finish(self, sequence: int, started: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(started)
        self._unfinished.discard(sequence)
        self._leave()

    def _leave(self) -> None:
        done = min(self._unfinished) - 1 if self._unfinished else self._read_through
        self._turns.leave(done, 0)

    def _intent(
        self, epoch: int, step: Step, step_sequence: int, decisions: tuple[Decision, ...]
    ) -> OrderIntent:
        return OrderIntent(
            venue=self._venue,
            symbol=self.symbol,
            epoch=epoch,
            step=step.step,
            step_sequence=step_sequence,
            decisions=decisions,
            unresolved=tuple(self._desk.unresolved),
            time=step.time,
        )

    async def _without_expired(self, step: Step, committed_time: TimeNs) -> tuple[Decision, ...]:
        if time.time_ns() - committed_time <= self._place_lifetime:
            return step.decisions
        for decision in step.decisions:
            if isinstance(decision, PlaceOrder):
                await self._desk.report_too_old(decision)
        return tuple(d for d in step.decisions if not isinstance(d, PlaceOrder))
