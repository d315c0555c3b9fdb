"""Gateway of one symbol: sends the decisions of committed steps, each order at most once.

    step in JOURNAL  ->  intent in ORDERS  ->  request to the venue  ->  report in ORDERS

An intent records, before anything is sent, the step acted on and the orders that may have been sent. Its commit fails when
another gateway has taken over (fencing), and after a crash the next gateway queries those orders instead of sending them
again. Requests are sent by `executor`.
"""

import asyncio
import time
from contextlib import suppress

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
    decode_or_log,
    forever,
    newest,
    read,
)
from producers.gateway.engine_watchdog import EngineWatchdog
from producers.gateway.executor import GatewayContext, GatewayMetrics, OrderExecutor
from producers.ports import DeadManSwitch, OrderEntry
from producers.retry import Outbox
from schemas import subjects
from schemas.engine.journal import Step
from schemas.subjects import Stream
from schemas.units import DurationNs, Symbol, TimeNs
from schemas.venue.orders import Decision, OrderIntent, PlaceOrder

IDLE_POLL_S = 0.2
WITHDRAW_TIMEOUT_S = 5.0


class Gateway:
    """Sends the orders of one symbol."""

    def __init__(
        self,
        service: Service,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: GatewayMetrics,
        gate: StepGate,
        concurrency: int,
        place_lifetime_ns: DurationNs,
        context: GatewayContext,
    ) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._executor = OrderExecutor(
            service,
            entry,
            symbol,
            metrics=metrics,
            context=context,
            concurrency=concurrency,
            place_lifetime_ns=place_lifetime_ns,
        )
        self._holdings = context.exposure.serve(symbol)
        self._heartbeat = context.heartbeat
        self._watchdog = EngineWatchdog(
            entry.venue,
            symbol,
            context.heartbeat,
            self._executor.cancel,
            self._holdings,
            Outbox(service.bus, service.log),
            service.log,
        )
        self._dead_man_s = context.dead_man_s
        self._switch = entry if self._dead_man_s and isinstance(entry, DeadManSwitch) else None
        self._venue = entry.venue
        self.symbol = symbol
        self._gate = gate
        self._place_lifetime_ns = place_lifetime_ns
        self._read_through = 0
        self._unfinished: set[int] = set()
        self._metrics = metrics

    async def run(self) -> None:
        """Take over from the previous gateway, then act on each step as it is committed; for ever.

        Raises: Fenced when another gateway took over; FormatTooNew when the steps need a newer program, mostly before
        anything is claimed.
        """
        await self._last_step()
        subject = subjects.order_intent(self._venue, self.symbol)
        journal = await Journal.open(self._bus, Stream.ORDERS, subject)
        last = self._claim(await newest(self._bus, Stream.ORDERS, subject, OrderIntent, journal.last))
        await journal.commit(last)
        await self._restore_holdings()
        self._read_through = last.step_sequence
        self._report_progress()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("watchdog", self._watchdog.run()), name="watchdog")
            if self._switch is not None:
                switch = self._watchdog.run_dead_man_switch(self._switch, self._dead_man_s)
                tasks.create_task(forever("dead man's switch", switch), name="dead man's switch")
            for client_order_id, sent_time in tuple(self._executor.unresolved.items()):
                tasks.create_task(
                    self._executor.resolve(client_order_id, sent_time), name=f"resolve:{client_order_id}"
                )
            for decision in last.decisions:
                self._executor.submit(decision, tasks)
            await self._act_on_steps(journal, last, tasks)

    @property
    def opening_orders(self) -> int:
        """Number of opening orders that are at the venue, or may be."""
        return len(self._holdings.orders)

    async def wait_idle(self) -> None:
        """Wait until all decisions committed by now are carried out, and the outcome of every order is known."""
        step = await self._bus.last(Stream.JOURNAL, subjects.step(self._venue, self.symbol))
        through = step.sequence if step is not None else 0
        while self._read_through < through or self._unfinished or self._executor.unresolved:  # noqa: ASYNC110
            # Polled: needed once in the life of a symbol, and three places would have to set an event.
            await asyncio.sleep(IDLE_POLL_S)

    async def withdraw(self) -> None:
        """Cancel the known opening orders, for at most `WITHDRAW_TIMEOUT_S`: this gateway stops, and none may follow."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHDRAW_TIMEOUT_S), asyncio.TaskGroup() as tasks:
                for client_order_id in tuple(self._holdings.orders):
                    tasks.create_task(self._executor.cancel(client_order_id))

    def status(self) -> dict[str, object]:
        """Return the symbol's part of /status."""
        status: dict[str, object] = {
            "unresolved": len(self._executor.unresolved),
            "opening_orders": self.opening_orders,
        }
        if self._heartbeat.is_silent:
            status["problem"] = "no heartbeat of the engine: opening orders are not sent"
        return status

    async def _restore_holdings(self) -> None:
        # Opening orders at the venue have to be known even if no new step follows for long.
        last = await self._last_step()
        if last is not None:
            self._holdings.apply(last.event.state, self._executor.unresolved)

    async def _last_step(self) -> Newest[Step] | None:
        subject = subjects.step(self._venue, self.symbol)
        stored = await self._bus.last(Stream.JOURNAL, subject)
        return await newest(self._bus, Stream.JOURNAL, subject, Step, stored)

    def _claim(self, last: Newest[OrderIntent] | None) -> OrderIntent:
        """Return the intent to commit at takeover: it repeats the cancels and queries of the last one, and places nothing.

        The orders that the last one placed, or that were unresolved then, become unresolved here.
        """
        if last is None:
            return OrderIntent(
                venue=self._venue, symbol=self.symbol, epoch=1, step=0, step_sequence=0, decisions=()
            )
        intent = last.event
        placed = tuple(d.client_order_id for d in intent.decisions if isinstance(d, PlaceOrder))
        unresolved = dict.fromkeys((*intent.unresolved, *placed), last.stored.time_ns)
        self._executor.restore(unresolved, intent.time)
        return msgspec.structs.replace(
            intent,
            epoch=intent.epoch + 1,
            decisions=tuple(d for d in intent.decisions if not isinstance(d, PlaceOrder)),
            unresolved=tuple(unresolved),
        )

    async def _act_on_steps(self, journal: Journal, intent: OrderIntent, tasks: asyncio.TaskGroup) -> None:
        filters = (subjects.step(self._venue, self.symbol),)
        acted_on = intent.step_sequence
        while True:
            try:
                async for batch in read(self._bus, Stream.JOURNAL, filters, FromSequence(acted_on + 1)):
                    for message in batch.messages:
                        await self._act_on(journal, intent.epoch, message, tasks)
                        acted_on = message.sequence
            except OffsetLost as lost:
                self._log.error("steps_lost", symbol=self.symbol, detail=str(lost))
                acted_on = lost.first - 1

    async def _act_on(
        self, journal: Journal, epoch: int, message: Received, tasks: asyncio.TaskGroup
    ) -> None:
        await self._gate.enter(message.sequence)
        started: list[asyncio.Task[None]] = []
        step = decode_or_log(message, Step, self._log)
        if step is None:
            self._metrics.undecodable.inc()
        else:
            self._apply(step)
            decisions = await self._without_expired(step, message.time_ns)
            if decisions:
                await journal.commit(self._intent(epoch, step, message.sequence, decisions))
                started = [self._executor.submit(decision, tasks) for decision in decisions]
        self._read_through = message.sequence
        if started:
            self._unfinished.add(message.sequence)
            tasks.create_task(self._finish(message.sequence, started), name=f"finish:{message.sequence}")
        else:
            self._report_progress()

    def _apply(self, step: Step) -> None:
        self._executor.on_step(step.time, step.state.price)
        self._holdings.apply(step.state, self._executor.unresolved)

    async def _finish(self, sequence: int, started: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(started)
        self._unfinished.discard(sequence)
        self._report_progress()

    def _report_progress(self) -> None:
        done = min(self._unfinished) - 1 if self._unfinished else self._read_through
        self._gate.leave(done, 0)

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
            unresolved=tuple(self._executor.unresolved),
            time=step.time,
        )

    async def _without_expired(self, step: Step, committed_time: TimeNs) -> tuple[Decision, ...]:
        if time.time_ns() - committed_time <= self._place_lifetime_ns:
            return step.decisions
        for decision in step.decisions:
            if isinstance(decision, PlaceOrder):
                await self._executor.report_too_old(decision)
        return tuple(d for d in step.decisions if not isinstance(d, PlaceOrder))
