"""The order desk: carries out decisions at the venue and finds out what became of them.

An id that was sent and not answered is never sent again: it is asked for until the venue answers, or until it can no
longer arrive.
"""

import asyncio
import time
from decimal import Decimal
from typing import NamedTuple

from bus import Bus, Service
from bus.metrics import CollectorRegistry, Counter, Histogram
from producers.account.publisher import report_id
from producers.gateway.exposure import Exposure
from producers.gateway.heartbeat import Heartbeat
from producers.gateway.latency import Latencies
from producers.gateway.rate_limiter import Expired, Priority, Rank, VenueRateLimiter
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
from schemas.units import SECOND_NS, ClientOrderId, DurationNs, Symbol, TimeNs
from schemas.venue.orders import (
    CancelOrder,
    CancelRejected,
    Decision,
    OrderReport,
    OrderStatus,
    PlaceOrder,
    QueryOrder,
    RejectReason,
)

RETRY_S = 0.2
RETRY_MAX_S = 5.0


class PreTradeChecks(NamedTuple):
    """What stands between a decision and the venue."""

    budget: VenueRateLimiter
    exposure: Exposure
    heartbeat: Heartbeat
    latencies: Latencies
    dead_man_s: float = 0.0
    """The venue cancels everything when it is not told otherwise for so long; 0 is never."""


class OrderExecutor:
    """Acts at the venue for one symbol. What it may send was committed before."""

    def __init__(
        self,
        service: Service,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: "GatewayMetrics",
        precautions: PreTradeChecks,
        concurrency: int,
        place_lifetime: DurationNs,
    ) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._entry = entry
        self._venue = entry.venue
        self._symbol = symbol
        self._budget, self._exposure, self._heartbeat, self._latencies, _ = precautions
        self._lane = self._budget.lane(concurrency)
        self._outbox = Outbox(service.bus, service.log)
        self._place_lifetime = place_lifetime
        self._metrics = metrics
        self._placing: dict[ClientOrderId, asyncio.Event] = {}
        self.unresolved: dict[ClientOrderId, TimeNs] = {}
        """Ids whose outcome is not known, and when they were sent at the latest."""
        self.market_time: TimeNs = 0
        """The newest time that a step told: what is reported without the venue's word bears it."""
        self.price = Decimal(0)
        """The newest price that a step told: what is near to it goes first."""

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

    async def withdraw(self, client_order_id: ClientOrderId) -> None:
        """Cancel an order without a decision, once it is placed."""
        await self._placed(client_order_id)
        await self._cancel(client_order_id)

    async def _carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                await self._place(decision)
            case CancelOrder():
                await self.withdraw(decision.client_order_id)
            case QueryOrder():
                await self._placed(decision.client_order_id)
                await self._bus.publish(subjects.sweep(self._venue), b"")
                await self.resolve(decision.client_order_id, time.time_ns())

    async def _placed(self, client_order_id: ClientOrderId) -> None:
        placing = self._placing.get(client_order_id)
        if placing is not None:
            await placing.wait()

    async def _place(self, order: PlaceOrder) -> None:
        name = order.client_order_id
        try:
            async with self._lane.turn(self._urgency(order), self._checked_patience_s(name)):
                self._check(order)
                started = time.time_ns()
                try:
                    report = await self._entry.place(self._symbol, order)
                finally:
                    self._latencies.observe(time.time_ns() - started)
        except NotSent as error:
            await self._report_ended(name, OrderStatus.NOT_PLACED, error.reason, error.detail)
        except Expired as shed:
            await self._report_ended(name, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(shed))
        except RequestRefused as refused:
            await self._on_refused(order, refused)
        except Overloaded as overloaded:
            self._budget.rest(overloaded.retry_after_s)
            await self._report_ended(name, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(overloaded))
        except VenueUnreachable as error:
            await self._report_ended(name, OrderStatus.NOT_PLACED, RejectReason.OTHER, str(error))
        except OutcomeUnknown as error:
            self._log.warning("outcome_unknown", client_order_id=name, detail=str(error))
            await self.resolve(name, time.time_ns())
        else:
            self._metrics.placed.labels(self._symbol, order.side).inc()
            self._metrics.latency.observe((time.time_ns() - started) / SECOND_NS)
            await self._report(report)
        self.unresolved.pop(name, None)
        self._placing.pop(name).set()

    def _urgency(self, order: PlaceOrder) -> Priority:
        distance = abs(order.price - self.price) / self.price if self.price else Decimal(0)
        return Priority(Rank.OPEN if order.opens else Rank.CLOSE, distance)

    def _checked_patience_s(self, client_order_id: ClientOrderId) -> float:
        # After its window another gateway may already have told that the order was not placed, and never will be.
        left = self.unresolved[client_order_id] + self._entry.receive_window - time.time_ns()
        if left < 0:
            raise NotSent(RejectReason.TOO_LATE, "it waited too long to be sent")
        return min(left, self._place_lifetime) / SECOND_NS

    def _check(self, order: PlaceOrder) -> None:
        self._checked_patience_s(order.client_order_id)
        if not order.opens:
            return
        if self._heartbeat.is_silent:
            raise NotSent(RejectReason.ENGINE_SILENT, "nothing is opened while the engine is not heard")
        if (reason := self._exposure.admit(self._symbol, order)) is not None:
            raise NotSent(RejectReason.EXPOSURE_LIMIT, reason)

    async def _on_refused(self, order: PlaceOrder, refused: RequestRefused) -> None:
        if refused.reason is RejectReason.DUPLICATE_ID:
            await self.resolve(order.client_order_id, time.time_ns())
            return
        # Too late is the venue's word on when it was sent: it was not placed, and never will be.
        is_late = refused.reason is RejectReason.TOO_LATE
        status = OrderStatus.NOT_PLACED if is_late else OrderStatus.REJECTED
        await self._report_ended(order.client_order_id, status, refused.reason, refused.detail)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        delay = RETRY_S
        while True:
            try:
                async with self._lane.turn(Priority(Rank.CANCEL)):
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
                self._rest_after(error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX_S)
                continue
            return

    async def resolve(self, client_order_id: ClientOrderId, sent_time: TimeNs) -> None:
        """Ask for an order until the venue answers, or until a request sent at `sent_time` can no longer arrive."""
        delay = RETRY_S
        while True:
            try:
                async with self._lane.turn(Priority(Rank.QUERY)):
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
                self._rest_after(error)
                delay = min(delay * 2, RETRY_MAX_S)
            await asyncio.sleep(delay)
        self.unresolved.pop(client_order_id, None)

    def _rest_after(self, error: VenueError) -> None:
        if isinstance(error, Overloaded):
            self._budget.rest(error.retry_after_s)

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
        self._exposure.forget(self._symbol, client_order_id)
        self._metrics.refused.labels(self._symbol, reason).inc()
        self._log.info(
            "order_ended", client_order_id=client_order_id, status=status, reason=reason, detail=detail
        )
        await self._report(report)

    async def _report(self, report: OrderReport) -> None:
        subject = subjects.order_report(self._venue, self._symbol)
        await self._outbox.store(subject, report, message_id=report_id(report))


class NotSent(Exception):
    """An order that the gateway itself keeps back."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
