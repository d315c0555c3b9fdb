"""Order executor: carries out the decisions on one symbol's orders at the venue, and resolves unknown outcomes.

How a placement ends depends on whether the request may have reached the venue:

    accepted                                       report of the venue
    check failed, VenueUnreachable, Overloaded     NOT_PLACED: nothing was sent or carried out; the engine may place again
    RequestRejected                                REJECTED: the venue refused it (NOT_PLACED when it arrived too late)
    OutcomeUnknown                                 may be live: never sent again, but queried by its id until resolved

An outcome is resolved by the venue's report, or as NOT_PLACED when the venue does not know the id and the receive window,
the time in which the venue may still carry out a request, has passed.
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

CANCEL_RETRY_S = 0.2
QUERY_RETRY_S = 0.4
MAX_RETRY_S = 5.0
RECEIVE_WINDOW_MARGIN_S = 0.2
"""How long after the end of the receive window an order is queried once more."""


class GatewayContext(NamedTuple):
    """What a gateway shares with others or measures: rate limit, exposure, heartbeat, latencies, dead man's switch."""

    rate_limiter: VenueRateLimiter
    """Of the venue, shared by all symbols. Applies to every request."""
    exposure: Exposure
    """Of all symbols of the venue. Checked for opening orders only."""
    heartbeat: HeartbeatMonitor
    """Of the symbol's engine. Checked for opening orders only."""
    latencies: OrderLatencies
    """Records the response times of placements."""
    dead_man_s: float = 0.0
    """Seconds after which the venue cancels all orders of the symbol unless the gateway defers it; 0 is never."""


class OrderExecutor:
    """Sends the requests of one symbol. The gateway commits each decision as an intent before it submits it here."""

    def __init__(
        self,
        service: Service,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: "GatewayMetrics",
        context: GatewayContext,
        concurrency: int,
        place_lifetime_ns: DurationNs,
    ) -> None:
        self._bus: Bus = service.bus
        self._log = service.log
        self._entry = entry
        self._venue = entry.venue
        self._symbol = symbol
        self._rate_limiter = context.rate_limiter
        self._exposure = context.exposure
        self._heartbeat = context.heartbeat
        self._latencies = context.latencies
        self._requests = self._rate_limiter.queue(concurrency)
        self._outbox = Outbox(service.bus, service.log)
        self._place_lifetime_ns = place_lifetime_ns
        self._metrics = metrics
        self._placing: dict[ClientOrderId, asyncio.Event] = {}
        """The orders whose placement is under way; each event is set when it has ended, successfully or not."""
        self.unresolved: dict[ClientOrderId, TimeNs] = {}
        """The orders that may be at the venue without a known outcome, and the start of their receive window.

        The start is the wall-clock time of `submit`, before the order is queued and sent; after a takeover, the time at
        which the previous gateway's last intent was stored.
        """
        self._market_time: TimeNs = 0
        """The newest time of a step: the time of reports that do not come from the venue."""
        self._price: Price = ZERO
        """The newest price of a step: orders near it are sent first."""

    def restore(self, unresolved: Mapping[ClientOrderId, TimeNs], market_time: TimeNs) -> None:
        """Adopt the unresolved orders and the market time of an earlier gateway; to be called before `submit`."""
        self.unresolved = dict(unresolved)
        self._market_time = market_time

    def on_step(self, market_time: TimeNs, price: Price | None) -> None:
        """Record time and price of a step."""
        self._market_time = max(self._market_time, market_time)
        self._price = price or self._price

    def submit(self, decision: Decision, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        """Return a new task that carries out a decision; a cancel or query waits until its order's placement has ended."""
        task_name = f"{type(decision).__name__}:{decision.client_order_id}"
        if isinstance(decision, PlaceOrder):
            self._placing[decision.client_order_id] = asyncio.Event()
            self.unresolved[decision.client_order_id] = time.time_ns()
        return tasks.create_task(self._carry_out(decision), name=task_name)

    async def report_too_old(self, order: PlaceOrder) -> None:
        """Report an order as not placed because its decision was committed longer ago than the place lifetime."""
        await self._report_not_placed(
            order.client_order_id, OrderStatus.NOT_PLACED, RejectReason.TOO_LATE, "decision too old"
        )

    async def cancel(self, client_order_id: ClientOrderId) -> None:
        """Cancel an order, after its placement has ended."""
        await self._wait_placement_ended(client_order_id)
        await self._cancel(client_order_id)

    async def resolve(self, client_order_id: ClientOrderId, sent_time: TimeNs) -> None:
        """Query an order until the venue reports it, or does not know it after the receive window.

        The receive window starts at `sent_time`: wall clock, nanoseconds.
        """
        backoff = Backoff(QUERY_RETRY_S, MAX_RETRY_S)
        while True:
            try:
                async with self._requests.slot(Priority(RequestKind.QUERY)):
                    report = await self._entry.query(self._symbol, client_order_id)
                await self._report(report)
                break
            except OrderUnknown:
                remaining_ns = sent_time + self._entry.receive_window - time.time_ns()
                if remaining_ns < 0:
                    await self._report_not_placed(
                        client_order_id,
                        OrderStatus.NOT_PLACED,
                        RejectReason.NOT_FOUND,
                        "unknown to the venue",
                    )
                    break
                await asyncio.sleep(remaining_ns / SECOND_NS + RECEIVE_WINDOW_MARGIN_S)
            except VenueError as error:
                self._log_retry("query_retry", client_order_id, backoff, error)
                self._pause_if_overloaded(error)
                await backoff.wait()
        self.unresolved.pop(client_order_id, None)

    async def _carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                await self._place(decision)
            case CancelOrder():
                await self.cancel(decision.client_order_id)
            case QueryOrder():
                await self._wait_placement_ended(decision.client_order_id)
                # The report of the query books no trades. Those that the private stream missed are fetched by a sweep
                # of the account publisher, which an empty message on this subject requests.
                await self._bus.publish(subjects.sweep(self._venue), b"")
                await self.resolve(decision.client_order_id, time.time_ns())

    async def _wait_placement_ended(self, client_order_id: ClientOrderId) -> None:
        placing = self._placing.get(client_order_id)
        if placing is not None:
            await placing.wait()

    async def _place(self, order: PlaceOrder) -> None:
        order_id = order.client_order_id
        try:
            async with self._requests.slot(self._priority(order), self._queue_timeout_s(order_id)):
                self._check(order)
                started_ns = time.time_ns()
                try:
                    report = await self._entry.place(self._symbol, order)
                finally:
                    self._latencies.observe(time.time_ns() - started_ns)
        except CheckFailed as failed:
            await self._report_not_placed(order_id, OrderStatus.NOT_PLACED, failed.reason, failed.detail)
        except Expired as expired:
            await self._report_not_placed(
                order_id, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(expired)
            )
        except RequestRejected as rejected:
            await self._on_rejected(order, rejected)
        except Overloaded as overloaded:
            self._rate_limiter.pause(overloaded.retry_after_s)
            await self._report_not_placed(
                order_id, OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED, str(overloaded)
            )
        except VenueUnreachable as error:
            await self._report_not_placed(order_id, OrderStatus.NOT_PLACED, RejectReason.OTHER, str(error))
        except OutcomeUnknown as error:
            self._log.warning("outcome_unknown", client_order_id=order_id, detail=str(error))
            await self.resolve(order_id, time.time_ns())
        else:
            self._metrics.placed.labels(self._symbol, order.side).inc()
            self._metrics.latency.observe((time.time_ns() - started_ns) / SECOND_NS)
            await self._report(report)
        self.unresolved.pop(order_id, None)
        self._placing.pop(order_id).set()

    def _priority(self, order: PlaceOrder) -> Priority:
        distance = abs(order.price - self._price) / self._price if self._price else ZERO
        return Priority(RequestKind.OPEN if order.opens else RequestKind.CLOSE, distance)

    def _queue_timeout_s(self, client_order_id: ClientOrderId) -> float:
        """Return how long an order may wait to be sent, in seconds.

        Raises: CheckFailed when the receive window has passed.
        """
        return min(self._check_window(client_order_id), self._place_lifetime_ns) / SECOND_NS

    def _check_window(self, client_order_id: ClientOrderId) -> DurationNs:
        """Return the rest of an order's receive window, counted from `submit`.

        Raises: CheckFailed when it has passed.
        """
        # After that another gateway may have reported the order as not placed: it must not be sent.
        remaining_ns = self.unresolved[client_order_id] + self._entry.receive_window - time.time_ns()
        if remaining_ns < 0:
            raise CheckFailed(RejectReason.TOO_LATE, "waited in the queue longer than the receive window")
        return remaining_ns

    def _check(self, order: PlaceOrder) -> None:
        self._check_window(order.client_order_id)
        if not order.opens:
            return
        if self._heartbeat.is_silent:
            raise CheckFailed(
                RejectReason.ENGINE_SILENT, "opening orders are not sent without a heartbeat of the engine"
            )
        reason_against = self._exposure.count_or_refuse(self._symbol, order)
        if reason_against is not None:
            raise CheckFailed(RejectReason.EXPOSURE_LIMIT, reason_against)

    async def _on_rejected(self, order: PlaceOrder, rejected: RequestRejected) -> None:
        if rejected.reason is RejectReason.DUPLICATE_ID:
            # The venue has an order with this id, which may be live: its report decides.
            await self.resolve(order.client_order_id, time.time_ns())
            return
        # TOO_LATE from the venue: the request arrived after its receive window, so it was not placed and never will be.
        is_late = rejected.reason is RejectReason.TOO_LATE
        status = OrderStatus.NOT_PLACED if is_late else OrderStatus.REJECTED
        await self._report_not_placed(order.client_order_id, status, rejected.reason, rejected.detail)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        backoff = Backoff(CANCEL_RETRY_S, MAX_RETRY_S)
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
                self._log_retry("cancel_retry", client_order_id, backoff, error)
                self._pause_if_overloaded(error)
                await backoff.wait()
                continue
            return

    def _log_retry(
        self, event: str, client_order_id: ClientOrderId, backoff: Backoff, error: VenueError
    ) -> None:
        self._log.warning(
            event, client_order_id=client_order_id, retry_in_s=backoff.next_s, detail=str(error)
        )

    def _pause_if_overloaded(self, error: VenueError) -> None:
        if isinstance(error, Overloaded):
            self._rate_limiter.pause(error.retry_after_s)

    async def _report_not_placed(
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
            "order_not_placed", client_order_id=client_order_id, status=status, reason=reason, detail=detail
        )
        await self._report(report)

    async def _report(self, report: OrderReport) -> None:
        subject = subjects.order_report(self._venue, self._symbol)
        await self._outbox.store(subject, report, message_id=report_id(report))


class CheckFailed(Exception):
    """An order did not pass the gateway's own checks, so it is not sent."""

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
