"""Gateway of one symbol: sends the decisions of committed steps, each order at most once.

    step in JOURNAL  ->  intent in ORDERS  ->  request to the venue  ->  report in ORDERS

An intent records, before anything is sent, the step acted on and the orders that may have been sent. Its commit fails when
another gateway has taken over (fencing). A gateway sends only the orders of steps that were committed after its own first
intent; those of earlier steps are queried (`takeover`). Requests are sent by `executor`.
"""

import asyncio
from contextlib import suppress

from bus import (
    Bus,
    FromSequence,
    Journal,
    OffsetLost,
    Received,
    Service,
    StepGate,
    forever,
    read,
    trace_context,
)
from bus.marks import reached
from bus.runtime import time_ns
from producers.gateway.context import GatewayContext, GatewayMetrics
from producers.gateway.engine_watchdog import EngineWatchdog
from producers.gateway.executor import IntentRef, OrderExecutor
from producers.gateway.holdings_feed import HoldingsFeed
from producers.gateway.steps import StepChain, StepHeader, decode_step
from producers.gateway.takeover import Inherited, Takeover
from producers.ports import DeadManSwitch, OrderEntry
from producers.retry import Outbox
from schemas import subjects
from schemas.engine.events import AlertRaised, Severity
from schemas.formats import record_hash
from schemas.subjects import Stream
from schemas.traceparent import traceparent_of
from schemas.units import DurationNs, Symbol, TimeNs
from schemas.venue.orders import Decision, OrderIntent, PlaceOrder

IDLE_POLL_S = 0.2
CHAIN_BROKEN = "chain_broken"
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
        self._chain = StepChain()
        self._executor = OrderExecutor(
            service,
            entry,
            symbol,
            metrics=metrics,
            context=context,
            chain=self._chain,
            concurrency=concurrency,
            queue_lifetime_ns=min(place_lifetime_ns, context.queue_lifetime_ns),
        )
        self._holdings = context.exposure.serve(symbol)
        self._holdings_feed = HoldingsFeed(service.bus, entry.venue, symbol, self._holdings, service.log)
        self._heartbeat = context.heartbeat
        self._outbox = Outbox(service.bus, service.log)
        self._watchdog = EngineWatchdog(
            entry.venue,
            symbol,
            context.heartbeat,
            self._executor.cancel,
            self._holdings,
            service.bus,
            self._outbox,
            service.log,
        )
        self._dead_man_s = context.dead_man_s
        self._switch = entry if self._dead_man_s and isinstance(entry, DeadManSwitch) else None
        self._venue = entry.venue
        self.symbol = symbol
        self._gate = gate
        self._is_lock_step = context.rate_limiter.is_in_order
        self._place_lifetime_ns = place_lifetime_ns
        sendable_ns = place_lifetime_ns + entry.receive_window
        self._takeover = Takeover(service.bus, service.log, entry.venue, symbol, sendable_ns)
        self._read_through = 0
        self._unfinished: set[int] = set()
        self._metrics = metrics
        self.following = asyncio.Event()
        """Set when the gateway has taken over: it sends the orders of every step committed from now on."""

    async def run(self) -> None:
        """Take over from the previous gateway, then act on each step as it is committed; for ever.

        Raises: Fenced when another gateway took over; OffsetLost when steps were lost: run another gateway; FormatTooNew
        when the steps need a newer program, mostly before anything is claimed.
        """
        await self._check_format()
        subject = subjects.order_intent(self._venue, self.symbol)
        async with self._executor.requests.writing(), asyncio.TaskGroup() as tasks:
            journal = await Journal.open(self._bus, Stream.ORDERS, subject)
            inherited = await self._takeover.run(journal)
            feed = forever("holdings", self._holdings_feed.run())
            tasks.create_task(feed, name="holdings")
            await self._holdings_feed.ready.wait()
            tasks.create_task(self._holdings_feed.forget_closing_orders(), name="closing orders")
            self._start_watchdog(tasks)
            self._resolve(inherited, journal.sequence, tasks)
            self.following.set()
            await self._act_on_steps(journal, inherited, tasks)

    @property
    def opening_orders(self) -> int:
        """Number of opening orders that are at the venue, or may be."""
        return len(self._holdings.working)

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
                for client_order_id in tuple(self._holdings.working):
                    tasks.create_task(self._executor.cancel(client_order_id))

    def status(self) -> dict[str, object]:
        """Return the symbol's part of /status."""
        status: dict[str, object] = {
            "following": self.following.is_set(),
            "unresolved": len(self._executor.unresolved),
            "opening_orders": self.opening_orders,
        }
        if self._heartbeat.is_silent:
            status["problem"] = "no heartbeat of the engine: opening orders are not sent"
        elif self._chain.is_broken:
            status["problem"] = (
                "steps were changed or lost: opening orders are not sent until the engine resynchronized"
            )
        return status

    async def _check_format(self) -> None:
        """Raise FormatTooNew when the newest step needs a newer program: before anything is claimed."""
        last = await self._bus.last(Stream.JOURNAL, subjects.step(self._venue, self.symbol))
        if last is not None:
            decode_step(last, self._log)

    def _start_watchdog(self, tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(forever("watchdog", self._watchdog.run()), name="watchdog")
        earlier = self._watchdog.end_earlier_alerts()
        tasks.create_task(forever("earlier alerts", earlier), name="earlier alerts")
        if self._switch is not None:
            switch = self._watchdog.run_dead_man_switch(self._switch, self._dead_man_s)
            tasks.create_task(forever("dead man's switch", switch), name="dead man's switch")

    def _resolve(self, inherited: Inherited, intent_sequence: int, tasks: asyncio.TaskGroup) -> None:
        """Query the orders of earlier gateways, and carry out their cancels and queries."""
        self._executor.on_step(inherited.market_time, None)
        for order in inherited.orders:
            self._holdings.count(order)
        for client_order_id, intent in inherited.unresolved.items():
            self._executor.inherit(client_order_id, intent, tasks, repeats=inherited.is_lossy)
        intent = IntentRef(time_ns(), intent_sequence)
        for decision in inherited.decisions:
            self._executor.submit(decision, intent, tasks)
        self._chain.restart(inherited.step)
        self._read_through = inherited.step.sequence if inherited.step is not None else 0
        self._report_progress()

    async def _act_on_steps(self, journal: Journal, inherited: Inherited, tasks: asyncio.TaskGroup) -> None:
        filters = (subjects.step(self._venue, self.symbol),)
        try:
            async for batch in read(self._bus, Stream.JOURNAL, filters, FromSequence(self._read_through + 1)):
                for message in batch.messages:
                    await self._act_on(journal, inherited.epoch, message, tasks)
        except OffsetLost as lost:
            self._log.error("steps_lost", symbol=self.symbol, detail=str(lost))
            raise

    async def _act_on(
        self, journal: Journal, epoch: int, message: Received, tasks: asyncio.TaskGroup
    ) -> None:
        await self._gate.enter(message.sequence)
        started: list[asyncio.Task[None]] = []
        step = decode_step(message, self._log)
        if (previous := self._chain.check(message, step)) is not None:
            tasks.create_task(self._on_chain_broken(previous, message), name=CHAIN_BROKEN)
        if step is None:
            self._metrics.undecodable.inc()
        else:
            await self._apply(message, step)
            decisions = await self._without_expired(step, message.time_ns)
            if decisions:
                intent = self._intent(epoch, step, message, decisions)
                with trace_context(traceparent_of(step)):  # of the intent, and of what the tasks store
                    sequence = await journal.commit(intent)
                    ref = IntentRef(intent.created_time, sequence)
                    started = [self._executor.submit(decision, ref, tasks) for decision in decisions]
        self._read_through = message.sequence
        if started:
            self._unfinished.add(message.sequence)
            tasks.create_task(self._finish(message.sequence, started), name=f"finish:{message.sequence}")
        else:
            self._report_progress()

    async def _apply(self, message: Received, step: StepHeader) -> None:
        if self._is_lock_step:
            # Otherwise the exposure counted for the step would depend on how far the order events were read.
            await self._holdings_feed.wait_through(step)
        self._holdings_feed.apply_step(message, step, self._executor.unresolved)
        self._executor.on_step(step.time, self._holdings.price)

    async def _on_chain_broken(self, previous: Received, message: Received) -> None:
        reached("step_chain_broken")
        detail = (
            f"step at JOURNAL {message.sequence} does not follow the record at {previous.sequence}: opening orders are "
            "not sent until the engine has resynchronized with the venue"
        )
        self._log.error(
            CHAIN_BROKEN, symbol=self.symbol, sequence=message.sequence, previous=previous.sequence
        )
        subject = subjects.alert(self._venue, self.symbol)
        alert = AlertRaised(
            venue=self._venue,
            symbol=self.symbol,
            severity=Severity.CRITICAL,
            code=CHAIN_BROKEN,
            detail=detail,
            step=0,
            time=time_ns(),
        )
        await self._outbox.store(subject, alert, message_id=f"{subject}.{CHAIN_BROKEN}.{message.sequence}")

    async def _finish(self, sequence: int, started: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(started)
        self._unfinished.discard(sequence)
        self._report_progress()

    def _report_progress(self) -> None:
        done = min(self._unfinished) - 1 if self._unfinished else self._read_through
        self._gate.leave(done, 0)

    def _intent(
        self, epoch: int, step: StepHeader, message: Received, decisions: tuple[Decision, ...]
    ) -> OrderIntent:
        return OrderIntent(
            venue=self._venue,
            symbol=self.symbol,
            epoch=epoch,
            step=step.step,
            step_sequence=message.sequence,
            decisions=decisions,
            unresolved=tuple(
                dict.fromkeys((*self._executor.unresolved, *self._executor.requests.unrecorded))
            ),
            time=step.time,
            created_time=time_ns(),
            step_hash=record_hash(message.data),
        )

    async def _without_expired(self, step: StepHeader, committed_time: TimeNs) -> tuple[Decision, ...]:
        if time_ns() - committed_time <= self._place_lifetime_ns:
            return step.decisions
        for decision in step.decisions:
            if isinstance(decision, PlaceOrder):
                reached("order_too_old")
                await self._executor.report_too_old(decision)
        return tuple(d for d in step.decisions if not isinstance(d, PlaceOrder))
