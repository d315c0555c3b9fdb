"""The gateway: sends what the engine committed, each order at most once, and finds out what became of it.

    step in JOURNAL  ->  intent in ORDERS (fences any other gateway)  ->  request to the venue  ->  report in ORDERS

An id that was sent and not answered is never sent again: it is asked for until the venue answers, or until it can no
longer arrive.
"""

import asyncio
import time
from decimal import Decimal

import msgspec

from bus import Bus, FromSequence, Journal, Newest, OffsetLost, Part, Received, Turns, newest, read
from bus.metrics import CollectorRegistry, Counter, Histogram
from producers.account import report_id
from producers.outbox import Outbox
from producers.ports import (
    OrderEntry,
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    RequestRefused,
    VenueError,
    VenueUnreachable,
)
from schemas import subjects
from schemas.codec import UndecodableError, decode_as
from schemas.journal import Step
from schemas.orders import (
    CancelOrder,
    CancelRejected,
    Decision,
    OrderIntent,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    QueryOrder,
    RejectReason,
)
from schemas.subjects import Stream
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Symbol, TimeNs, VenueId

RETRY_S = 0.2
RETRY_MAX_S = 5.0


class Gateway:
    """Acts for one symbol."""

    def __init__(
        self,
        part: Part,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: "GatewayMetrics",
        turns: Turns,
        concurrency: int,
        place_lifetime: DurationNs,
    ) -> None:
        self._bus: Bus = part.bus
        self._log = part.log
        self._entry = entry
        self._venue = entry.venue
        self.symbol = symbol
        self._turns = turns
        self._slots = asyncio.Semaphore(concurrency)
        self._place_lifetime = place_lifetime
        self._outbox = Outbox(part.bus, part.log)
        self._placing: dict[ClientOrderId, asyncio.Event] = {}
        self._unresolved: dict[ClientOrderId, TimeNs] = {}
        self._venue_time: TimeNs = 0
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
        self._read_through = last.step_sequence
        self._leave()
        async with asyncio.TaskGroup() as tasks:
            for client_order_id, sent_time in tuple(self._unresolved.items()):
                tasks.create_task(
                    self._resolve(client_order_id, sent_time), name=f"resolve:{client_order_id}"
                )
            for decision in last.decisions:
                self._start(decision, tasks)
            await self._act_on_steps(journal, last, tasks)

    def status(self) -> dict[str, object]:
        """Return what /status says of this symbol."""
        return {"unresolved": len(self._unresolved), "placing": len(self._placing)}

    def _claim(self, last: Newest[OrderIntent] | None) -> OrderIntent:
        """Return the intent that fences every gateway before: what it may have sent is asked for, its cancels redone."""
        if last is None:
            return OrderIntent(
                venue=self._venue, symbol=self.symbol, epoch=1, step=0, step_sequence=0, decisions=()
            )
        intent = last.event
        placed = tuple(d.client_order_id for d in intent.decisions if isinstance(d, PlaceOrder))
        self._unresolved = dict.fromkeys((*intent.unresolved, *placed), last.stored.time_ns)
        self._venue_time = intent.time
        return msgspec.structs.replace(
            intent,
            epoch=intent.epoch + 1,
            decisions=tuple(d for d in intent.decisions if not isinstance(d, PlaceOrder)),
            unresolved=tuple(self._unresolved),
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
            self._venue_time = max(self._venue_time, step.time)
            decisions = await self._without_expired(step, message.time_ns)
            if decisions:
                await journal.commit(self._intent(epoch, step, message.sequence, decisions))
                started = [self._start(decision, tasks) for decision in decisions]
        self._read_through = message.sequence
        if started:
            self._unfinished.add(message.sequence)
            tasks.create_task(self._finish(message.sequence, started), name=f"finish:{message.sequence}")
        else:
            self._leave()

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
            unresolved=tuple(self._unresolved),
            time=step.time,
        )

    async def _without_expired(self, step: Step, committed_time: TimeNs) -> tuple[Decision, ...]:
        if time.time_ns() - committed_time <= self._place_lifetime:
            return step.decisions
        for decision in step.decisions:
            if isinstance(decision, PlaceOrder):
                await self._report_ended(
                    decision.client_order_id,
                    OrderStatus.NOT_PLACED,
                    RejectReason.TOO_LATE,
                    "decision too old",
                )
        return tuple(d for d in step.decisions if not isinstance(d, PlaceOrder))

    def _start(self, decision: Decision, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        name = f"{type(decision).__name__}:{decision.client_order_id}"
        if isinstance(decision, PlaceOrder):
            self._placing[decision.client_order_id] = asyncio.Event()
            self._unresolved[decision.client_order_id] = time.time_ns()
        return tasks.create_task(self._carry_out(decision), name=name)

    async def _carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                await self._place(decision)
            case CancelOrder():
                await self._placed(decision.client_order_id)
                await self._cancel(decision.client_order_id)
            case QueryOrder():
                await self._placed(decision.client_order_id)
                await self._bus.publish(sweep_subject(self._venue), b"")
                await self._resolve(decision.client_order_id, time.time_ns())

    async def _placed(self, client_order_id: ClientOrderId) -> None:
        placing = self._placing.get(client_order_id)
        if placing is not None:
            await placing.wait()

    async def _place(self, order: PlaceOrder) -> None:
        started = time.time_ns()
        try:
            async with self._slots:
                self._check_age(order.client_order_id)
                report = await self._entry.place(self.symbol, order)
        except RequestRefused as refused:
            await self._on_refused(order, refused)
        except Overloaded as overloaded:
            await self._report_ended(
                order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(overloaded)
            )
            async with self._slots:
                await asyncio.sleep(overloaded.retry_after_s)
        except VenueUnreachable as error:
            await self._report_ended(
                order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.OTHER, str(error)
            )
        except OutcomeUnknown as error:
            self._log.warning("outcome_unknown", client_order_id=order.client_order_id, detail=str(error))
            await self._resolve(order.client_order_id, time.time_ns())
        else:
            self._metrics.placed.labels(self.symbol, order.side).inc()
            self._metrics.latency.observe((time.time_ns() - started) / SECOND_NS)
            await self._report(report)
        self._unresolved.pop(order.client_order_id, None)
        self._placing.pop(order.client_order_id).set()

    def _check_age(self, client_order_id: ClientOrderId) -> None:
        # After its window another gateway may already have told that the order was not placed, and never will be.
        if time.time_ns() - self._unresolved[client_order_id] > self._entry.receive_window:
            raise RequestRefused(RejectReason.TOO_LATE, "it waited too long to be sent")

    async def _on_refused(self, order: PlaceOrder, refused: RequestRefused) -> None:
        if refused.reason is RejectReason.DUPLICATE_ID:
            await self._resolve(order.client_order_id, time.time_ns())
            return
        was_sent = refused.reason is not RejectReason.TOO_LATE
        status = OrderStatus.REJECTED if was_sent else OrderStatus.NOT_PLACED
        await self._report_ended(order.client_order_id, status, refused.reason, refused.detail)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        delay = RETRY_S
        while True:
            try:
                async with self._slots:
                    report = await self._entry.cancel(self.symbol, client_order_id)
                await self._report(report)
            except OrderUnknown:
                await self._resolve(client_order_id, time.time_ns())
            except RequestRefused as refused:
                event = CancelRejected(
                    venue=self._venue,
                    symbol=self.symbol,
                    client_order_id=client_order_id,
                    time=self._venue_time,
                    detail=refused.detail,
                )
                await self._outbox.store(subjects.order_report(self._venue, self.symbol), event)
            except VenueError as error:
                self._log.warning("cancel_again", client_order_id=client_order_id, detail=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
                continue
            return

    async def _resolve(self, client_order_id: ClientOrderId, sent_time: TimeNs) -> None:
        """Ask for an order until the venue answers, or until a request sent at `sent_time` can no longer arrive."""
        delay = RETRY_S
        while True:
            try:
                async with self._slots:
                    report = await self._entry.query(self.symbol, client_order_id)
                await self._report(report)
                break
            except OrderUnknown:
                left = sent_time + self._entry.receive_window - time.time_ns()
                if left < 0:
                    await self._report_ended(
                        client_order_id,
                        OrderStatus.NOT_PLACED,
                        RejectReason.NOT_FOUND,
                        "unknown to the venue",
                    )
                    break
                delay = left / SECOND_NS + RETRY_S
            except VenueError as error:
                self._log.warning("query_again", client_order_id=client_order_id, detail=str(error))
                delay = min(delay * 2, RETRY_MAX_S)
            await asyncio.sleep(delay)
        self._unresolved.pop(client_order_id, None)

    async def _report_ended(
        self, client_order_id: ClientOrderId, status: OrderStatus, reason: RejectReason, detail: str
    ) -> None:
        report = OrderReport(
            venue=self._venue,
            symbol=self.symbol,
            client_order_id=client_order_id,
            status=status,
            cumulative_quantity=Decimal(0),
            time=self._venue_time,
            reject_reason=reason,
            detail=detail,
        )
        self._metrics.refused.labels(self.symbol, reason).inc()
        self._log.info(
            "order_ended", client_order_id=client_order_id, status=status, reason=reason, detail=detail
        )
        await self._report(report)

    async def _report(self, report: OrderReport) -> None:
        subject = subjects.order_report(self._venue, self.symbol)
        await self._outbox.store(subject, report, message_id=report_id(report))


class GatewayMetrics:
    """What the gateway counts, over all symbols of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.placed = Counter(
            "market_maker_orders_placed", "Orders the venue accepted", ["symbol", "side"], registry=registry
        )
        self.refused = Counter(
            "market_maker_orders_refused",
            "Orders that were not placed",
            ["symbol", "reason"],
            registry=registry,
        )
        self.latency = Histogram(
            "market_maker_latency_exchange_seconds", "From request to the venue's answer", registry=registry
        )
        self.undecodable = Counter("gateway_undecodable", "Messages that did not decode", registry=registry)


def sweep_subject(venue: VenueId) -> str:
    """Return the subject that asks the account publisher for a sweep. It is no stream's: nobody keeps it."""
    return f"sweep.{venue}"
