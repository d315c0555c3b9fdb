"""The order desk: carries out decisions at the venue and finds out what became of them.

An id that was sent and not answered is never sent again: it is asked for until the venue answers, or until it can no
longer arrive.
"""

import asyncio
import time
from decimal import Decimal

from bus import Bus, Part
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
from schemas.orders import (
    CancelOrder,
    CancelRejected,
    Decision,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    QueryOrder,
    RejectReason,
)
from schemas.units import SECOND_NS, ClientOrderId, Symbol, TimeNs

RETRY_S = 0.2
RETRY_MAX_S = 5.0


class OrderDesk:
    """Acts at the venue for one symbol. What it may send was committed before."""

    def __init__(
        self, part: Part, entry: OrderEntry, symbol: Symbol, *, metrics: "GatewayMetrics", concurrency: int
    ) -> None:
        self._bus: Bus = part.bus
        self._log = part.log
        self._entry = entry
        self._venue = entry.venue
        self._symbol = symbol
        self._requests = asyncio.Semaphore(concurrency)
        self._outbox = Outbox(part.bus, part.log)
        self._metrics = metrics
        self._placing: dict[ClientOrderId, asyncio.Event] = {}
        self.unresolved: dict[ClientOrderId, TimeNs] = {}
        """Ids whose outcome is not known, and when they were sent at the latest."""
        self.market_time: TimeNs = 0
        """The newest time that a step told: what is reported without the venue's word bears it."""

    def start(self, decision: Decision, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        """Carry out a decision beside others; orders of one id one after the other."""
        name = f"{type(decision).__name__}:{decision.client_order_id}"
        if isinstance(decision, PlaceOrder):
            self._placing[decision.client_order_id] = asyncio.Event()
            self.unresolved[decision.client_order_id] = time.time_ns()
        return tasks.create_task(self._carry_out(decision), name=name)

    async def report_too_old(self, order: PlaceOrder) -> None:
        """Tell that an order is not placed because its decision is too old."""
        await self._report_ended(
            order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.TOO_LATE, "decision too old"
        )

    async def _carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                await self._place(decision)
            case CancelOrder():
                await self._placed(decision.client_order_id)
                await self._cancel(decision.client_order_id)
            case QueryOrder():
                await self._placed(decision.client_order_id)
                await self._bus.publish(subjects.sweep(self._venue), b"")
                await self.resolve(decision.client_order_id, time.time_ns())

    async def _placed(self, client_order_id: ClientOrderId) -> None:
        placing = self._placing.get(client_order_id)
        if placing is not None:
            await placing.wait()

    async def _place(self, order: PlaceOrder) -> None:
        started = time.time_ns()
        try:
            async with self._requests:
                self._check_age(order.client_order_id)
                report = await self._entry.place(self._symbol, order)
        except RequestRefused as refused:
            await self._on_refused(order, refused)
        except Overloaded as overloaded:
            await self._report_ended(
                order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(overloaded)
            )
            async with self._requests:
                await asyncio.sleep(overloaded.retry_after_s)
        except VenueUnreachable as error:
            await self._report_ended(
                order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.OTHER, str(error)
            )
        except OutcomeUnknown as error:
            self._log.warning("outcome_unknown", client_order_id=order.client_order_id, detail=str(error))
            await self.resolve(order.client_order_id, time.time_ns())
        else:
            self._metrics.placed.labels(self._symbol, order.side).inc()
            self._metrics.latency.observe((time.time_ns() - started) / SECOND_NS)
            await self._report(report)
        self.unresolved.pop(order.client_order_id, None)
        self._placing.pop(order.client_order_id).set()

    def _check_age(self, client_order_id: ClientOrderId) -> None:
        # After its window another gateway may already have told that the order was not placed, and never will be.
        if time.time_ns() - self.unresolved[client_order_id] > self._entry.receive_window:
            raise RequestRefused(RejectReason.TOO_LATE, "it waited too long to be sent")

    async def _on_refused(self, order: PlaceOrder, refused: RequestRefused) -> None:
        if refused.reason is RejectReason.DUPLICATE_ID:
            await self.resolve(order.client_order_id, time.time_ns())
            return
        was_sent = refused.reason is not RejectReason.TOO_LATE
        status = OrderStatus.REJECTED if was_sent else OrderStatus.NOT_PLACED
        await self._report_ended(order.client_order_id, status, refused.reason, refused.detail)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        delay = RETRY_S
        while True:
            try:
                async with self._requests:
                    report = await self._entry.cancel(self._symbol, client_order_id)
                await self._report(report)
            except OrderUnknown:
                await self.resolve(client_order_id, time.time_ns())
            except RequestRefused as refused:
                event = CancelRejected(
                    venue=self._venue,
                    symbol=self._symbol,
                    client_order_id=client_order_id,
                    time=self.market_time,
                    detail=refused.detail,
                )
                await self._outbox.store(subjects.order_report(self._venue, self._symbol), event)
            except VenueError as error:
                self._log.warning("cancel_again", client_order_id=client_order_id, detail=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
                continue
            return

    async def resolve(self, client_order_id: ClientOrderId, sent_time: TimeNs) -> None:
        """Ask for an order until the venue answers, or until a request sent at `sent_time` can no longer arrive."""
        delay = RETRY_S
        while True:
            try:
                async with self._requests:
                    report = await self._entry.query(self._symbol, client_order_id)
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
        self.unresolved.pop(client_order_id, None)

    async def _report_ended(
        self, client_order_id: ClientOrderId, status: OrderStatus, reason: RejectReason, detail: str
    ) -> None:
        report = OrderReport(
            venue=self._venue,
            symbol=self._symbol,
            client_order_id=client_order_id,
            status=status,
            cumulative_quantity=Decimal(0),
            time=self.market_time,
            reject_reason=reason,
            detail=detail,
        )
        self._metrics.refused.labels(self._symbol, reason).inc()
        self._log.info(
            "order_ended", client_order_id=client_order_id, status=status, reason=reason, detail=detail
        )
        await self._report(report)

    async def _report(self, report: OrderReport) -> None:
        subject = subjects.order_report(self._venue, self._symbol)
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
