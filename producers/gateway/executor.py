"""Order executor: carries out decisions at the venue, and resolves unknown outcomes.

An order that was sent without a response is never sent again. The executor queries its id until the venue answers, or
until the request can no longer arrive.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

from bus import Backoff, Bus, Service
from bus.metrics import CollectorRegistry, Counter, Histogram
from producers.account.publisher import report_id
from producers.gateway.engine_watchdog import HeartbeatMonitor
from producers.gateway.exposure import Exposure
from producers.gateway.latency import OrderLatencies
from producers.gateway.rate_limiter import Expired, Priority, RequestKind, VenueRateLimiter
from producers.ports import (
    OrderEntry,
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    RequestRejected,
    VenueError,
    VenueUnreachable,
)
from producers.retry import Outbox
from schemas import subjects
from schemas.units import SECOND_NS, ZERO, ClientOrderId, DurationNs, Price, Symbol, TimeNs
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
MAX_RETRY_S = 5.0


class PreTradeChecks(NamedTuple):
    """Checks and limits that apply to every order before it is sent."""

    rate_limiter: VenueRateLimiter
    exposure: Exposure
    heartbeat: HeartbeatMonitor
    latencies: OrderLatencies
    dead_man_s: float = 0.0
    """Seconds without a request after which the venue cancels all orders; 0 is never."""


class OrderExecutor:
    """Sends the requests of one symbol, all of them committed as an intent before."""

    def __init__(
        self,
        service: Service,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: "GatewayMetrics",
        checks: PreTradeChecks,
        concurrency: int,
        place_lifetime: DurationNs,
    ) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._entry = entry
        self._venue = entry.venue
        self._symbol = symbol
        self._rate_limiter, self._exposure, self._heartbeat, self._latencies, _ = checks
        self._requests = self._rate_limiter.queue(concurrency)
        self._outbox = Outbox(service.bus, service.log)
        self._place_lifetime = place_lifetime
        self._metrics = metrics
        self._placing: dict[ClientOrderId, asyncio.Event] = {}
        self.unresolved: dict[ClientOrderId, TimeNs] = {}
        """Ids whose outcome is unknown, and the latest time at which they were sent."""
        self._market_time: TimeNs = 0
        """The newest time of a step: the time of reports that do not come from the venue."""
        self._price: Price = ZERO
        """The newest price of a step: orders near it are sent first."""

    def restore(self, unresolved: Mapping[ClientOrderId, TimeNs], market_time: TimeNs) -> None:
        """Continue from the intent of an earlier gateway; to be called before `start`."""
        self.unresolved = dict(unresolved)
        self._market_time = market_time

    def on_step(self, market_time: TimeNs, price: Price | None) -> None:
        """Record time and price of a step."""
        self._market_time = max(self._market_time, market_time)
        self._price = price or self._price

    def start(self, decision: Decision, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        """Carry out a decision concurrently with others; decisions on one order run one after the other."""
        name = f"{type(decision).__name__}:{decision.client_order_id}"
        if isinstance(decision, PlaceOrder):
            self._placing[decision.client_order_id] = asyncio.Event()
            self.unresolved[decision.client_order_id] = time.time_ns()
        return tasks.create_task(self._carry_out(decision), name=name)

    async def report_too_old(self, order: PlaceOrder) -> None:
        """Report an order as not placed because its decision is too old."""
        await self._report_ended(
            order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.TOO_LATE, "decision too old"
        )

    async def cancel(self, client_order_id: ClientOrderId) -> None:
        """Cancel an order, once it is placed."""
        await self._wait_placed(client_order_id)
        await self._cancel(client_order_id)

    async def resolve(self, client_order_id: ClientOrderId, sent_time: TimeNs) -> None:
        """Query an order until the venue answers, or until a request sent at `sent_time` can no longer arrive."""
        backoff = Backoff(2 * RETRY_S, MAX_RETRY_S)
        while True:
            try:
                async with self._requests.slot(Priority(RequestKind.QUERY)):
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
                await asyncio.sleep(left / SECOND_NS + RETRY_S)
            except VenueError as error:
                self._log.warning("query_retry", client_order_id=client_order_id, detail=str(error))
                self._pause_after(error)
                await backoff.wait()
        self.unresolved.pop(client_order_id, None)

    async def _carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                await self._place(decision)
            case CancelOrder():
                await self.cancel(decision.client_order_id)
            case QueryOrder():
                await self._wait_placed(decision.client_order_id)
                await self._bus.publish(subjects.sweep(self._venue), b"")
                await self.resolve(decision.client_order_id, time.time_ns())

    async def _wait_placed(self, client_order_id: ClientOrderId) -> None:
        placing = self._placing.get(client_order_id)
        if placing is not None:
            await placing.wait()

    async def _place(self, order: PlaceOrder) -> None:
        name = order.client_order_id
        try:
            async with self._requests.slot(self._priority(order), self._time_left_s(name)):
                self._check(order)
                started = time.time_ns()
                try:
                    report = await self._entry.place(self._symbol, order)
                finally:
                    self._latencies.observe(time.time_ns() - started)
        except CheckFailed as failed:
            await self._report_ended(name, OrderStatus.NOT_PLACED, failed.reason, failed.detail)
        except Expired as expired:
            await self._report_ended(name, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(expired))
        except RequestRejected as rejected:
            await self._on_rejected(order, rejected)
        except Overloaded as overloaded:
            self._rate_limiter.pause(overloaded.retry_after_s)
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

    def _priority(self, order: PlaceOrder) -> Priority:
        distance = abs(order.price - self._price) / self._price if self._price else ZERO
        return Priority(RequestKind.OPEN if order.opens else RequestKind.CLOSE, distance)

    def _time_left_s(self, client_order_id: ClientOrderId) -> float:
        # After the receive window another gateway may have reported the order as not placed: it must not be sent.
        left = self.unresolved[client_order_id] + self._entry.receive_window - time.time_ns()
        if left < 0:
            raise CheckFailed(RejectReason.TOO_LATE, "waited longer than the receive window")
        return min(left, self._place_lifetime) / SECOND_NS

    def _check(self, order: PlaceOrder) -> None:
        self._time_left_s(order.client_order_id)
        if not order.opens:
            return
        if self._heartbeat.is_silent:
            raise CheckFailed(
                RejectReason.ENGINE_SILENT, "no opening order without a heartbeat of the engine"
            )
        if (reason := self._exposure.admit(self._symbol, order)) is not None:
            raise CheckFailed(RejectReason.EXPOSURE_LIMIT, reason)

    async def _on_rejected(self, order: PlaceOrder, rejected: RequestRejected) -> None:
        if rejected.reason is RejectReason.DUPLICATE_ID:
            await self.resolve(order.client_order_id, time.time_ns())
            return
        # TOO_LATE refers to the time of sending: the order was not placed, and never will be.
        is_late = rejected.reason is RejectReason.TOO_LATE
        status = OrderStatus.NOT_PLACED if is_late else OrderStatus.REJECTED
        await self._report_ended(order.client_order_id, status, rejected.reason, rejected.detail)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        backoff = Backoff(RETRY_S, MAX_RETRY_S)
        while True:
            try:
                async with self._requests.slot(Priority(RequestKind.CANCEL)):
                    report = await self._entry.cancel(self._symbol, client_order_id)
                await self._report(report)
            except OrderUnknown:
                await self.resolve(client_order_id, time.time_ns())
            except RequestRejected as rejected:
                event = CancelRejected(
                    venue=self._venue,
                    symbol=self._symbol,
                    client_order_id=client_order_id,
                    time=self._market_time,
                    detail=rejected.detail,
                )
                await self._outbox.store(subjects.order_report(self._venue, self._symbol), event)
            except VenueError as error:
                self._log.warning("cancel_retry", client_order_id=client_order_id, detail=str(error))
                self._pause_after(error)
                await backoff.wait()
                continue
            return

    def _pause_after(self, error: VenueError) -> None:
        if isinstance(error, Overloaded):
            self._rate_limiter.pause(error.retry_after_s)

    async def _report_ended(
        self, client_order_id: ClientOrderId, status: OrderStatus, reason: RejectReason, detail: str
    ) -> None:
        report = OrderReport(
            venue=self._venue,
            symbol=self._symbol,
            client_order_id=client_order_id,
            status=status,
            cumulative_quantity=ZERO,
            time=self._market_time,
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


class CheckFailed(Exception):
    """An order did not pass the gateway's own checks, and is not sent."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class GatewayMetrics:
    """Metrics of the gateway, over all symbols of the process."""

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
            "market_maker_latency_exchange_seconds",
            "From the request to the venue's response",
            registry=registry,
        )
        self.undecodable = Counter("gateway_undecodable", "Messages that did not decode", registry=registry)
