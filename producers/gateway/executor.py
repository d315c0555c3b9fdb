"""Order executor: carries out the decisions on one symbol's orders at the venue, and resolves unknown outcomes.

How a placement ends depends on whether the request may have reached the venue:

    accepted                                       report of the venue
    check failed, VenueUnreachable, Overloaded     NOT_PLACED: nothing was sent or carried out; the engine may place again
    RequestRejected                                REJECTED: the venue refused it (NOT_PLACED when it arrived too late)
    OutcomeUnknown                                 may be live: never sent again, but queried by its id until resolved

An outcome is resolved by the venue's report, or as NOT_PLACED when the venue does not know the id and the receive window
has passed. The window counts from the time at which the order's intent was made, which is also the timestamp of the
request: however long a request is on its way, the venue does not carry it out after the window.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bus import Backoff, Bus, Service
from bus.marks import reached
from bus.runtime import time_ns
from producers.gateway.context import GatewayContext, GatewayMetrics
from producers.gateway.order_reporter import OrderReporter
from producers.gateway.rate_limiter import Expired, Priority, RequestKind, Withdrawn
from producers.gateway.request_log import RequestLog
from producers.gateway.steps import StepChain
from producers.ports import (
    OrderEntry,
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    RequestRejected,
    VenueError,
    VenueUnreachable,
)
from schemas import subjects
from schemas.units import SECOND_NS, ZERO, ClientOrderId, DurationNs, Price, Symbol, TimeNs
from schemas.venue.orders import CancelOrder, Decision, OrderReport, PlaceOrder, QueryOrder, RejectReason
from schemas.venue.requests import RequestAction

CANCEL_RETRY_S = 0.2
QUERY_RETRY_S = 0.4
MAX_RETRY_S = 5.0
CLOCK_MARGIN_NS: DurationNs = SECOND_NS
"""How far this clock may be ahead of the venue's. An order is not placed only if a query that was sent this long after its
receive window does not find it; venues reject requests of a clock that is further ahead."""


class IntentRef(NamedTuple):
    """The intent that names an order: the start of the order's receive window."""

    created_time: TimeNs
    """Wall-clock time before the intent was committed; that of the takeover if the intent is not known."""
    sequence: int | None = None
    """Its ORDERS sequence, if known."""


class OrderExecutor:
    """Sends the requests of one symbol. The gateway commits each decision as an intent before it submits it here."""

    def __init__(
        self,
        service: Service,
        entry: OrderEntry,
        symbol: Symbol,
        *,
        metrics: GatewayMetrics,
        context: GatewayContext,
        chain: StepChain,
        concurrency: int,
        queue_lifetime_ns: DurationNs,
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
        self._chain = chain
        self._slots = self._rate_limiter.queue(concurrency)
        self._reporter = OrderReporter(service, entry.venue, symbol, context.exposure, metrics)
        self._queue_lifetime_ns = queue_lifetime_ns
        self._metrics = metrics
        self._placing: dict[ClientOrderId, asyncio.Event] = {}
        """The orders whose placement is under way; each event is set when it has ended, successfully or not."""
        self.unresolved: dict[ClientOrderId, IntentRef] = {}
        """The orders that may be at the venue without a known outcome."""
        self.requests = RequestLog(service.bus, service.log, entry.venue, symbol)
        self._price: Price = ZERO
        """The newest price of a step: orders near it are sent first."""

    def on_step(self, market_time: TimeNs, price: Price | None) -> None:
        """Record time and price of a step."""
        self._reporter.market_time = max(self._reporter.market_time, market_time)
        self._price = price or self._price

    def submit(self, decision: Decision, intent: IntentRef, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        """Return a new task that carries out a decision of an intent.

        A cancel or query waits until the placement of its order has ended.
        """
        task_name = f"{type(decision).__name__}:{decision.client_order_id}"
        if isinstance(decision, PlaceOrder):
            self._placing[decision.client_order_id] = asyncio.Event()
            self.unresolved[decision.client_order_id] = intent
        return tasks.create_task(self._carry_out(decision), name=task_name)

    def inherit(
        self, client_order_id: ClientOrderId, intent: IntentRef, tasks: asyncio.TaskGroup, *, repeats: bool
    ) -> asyncio.Task[None]:
        """Return a new task that resolves an order which an earlier gateway may have sent."""
        self.unresolved[client_order_id] = intent
        self.requests.inherited(client_order_id, intent.sequence)
        resolving = self.resolve(client_order_id, repeats=repeats)
        return tasks.create_task(resolving, name=f"resolve:{client_order_id}")

    async def report_too_old(self, order: PlaceOrder) -> None:
        """Report an order as not placed because its decision was committed longer ago than the place lifetime."""
        await self._on_check_failed(order, RejectReason.TOO_LATE, "decision too old")

    async def cancel(self, client_order_id: ClientOrderId) -> None:
        """Cancel an order after its placement has ended. One that still waits to be sent is not sent."""
        is_withdrawn = self._slots.withdraw(client_order_id)
        await self._wait_placement_ended(client_order_id)
        if not is_withdrawn:
            await self._cancel(client_order_id)

    async def resolve(self, client_order_id: ClientOrderId, *, repeats: bool = False) -> None:
        """Query an order until the venue reports it, or does not know it after the receive window.

        The window counts from the order's intent while its outcome is unknown, else from now. With `repeats` the outcome
        is stored even if the same report was stored before: that one may have been lost.
        """
        intent = self.unresolved.get(client_order_id) or IntentRef(time_ns())
        window_ns = self._entry.receive_window + CLOCK_MARGIN_NS
        end_ns = intent.created_time + window_ns
        backoff = Backoff(QUERY_RETRY_S, MAX_RETRY_S)
        attempt = 0
        while True:
            attempt += 1
            asked_ns = 0
            try:
                async with self._slots.slot(Priority(RequestKind.QUERY)):
                    # An answer that was given before the end of the window says nothing about its end.
                    asked_ns = time_ns()
                    report = await self._request(
                        RequestAction.QUERY,
                        client_order_id,
                        attempt,
                        lambda: self._entry.query(self._symbol, client_order_id),
                    )
                await self._reporter.answered(report, repeats=repeats)
                if client_order_id in self.unresolved:
                    reached("unknown_order_found")
                break
            except OrderUnknown:
                if asked_ns > end_ns:
                    reached("unknown_order_not_found")
                    await self._reporter.not_placed(
                        client_order_id, RejectReason.NOT_FOUND, "unknown to the venue", repeats=repeats
                    )
                    break
                # No longer than the window: this clock may have been set back since.
                await asyncio.sleep(min(max(end_ns - time_ns(), 0), window_ns) / SECOND_NS)
            except VenueError as error:
                self._log_retry("query_retry", client_order_id, backoff, error)
                self._pause_if_overloaded(error)
                await backoff.wait()
        self.unresolved.pop(client_order_id, None)

    async def _request(
        self,
        action: RequestAction,
        client_order_id: ClientOrderId,
        attempt: int,
        send: Callable[[], Awaitable[OrderReport]],
        intent_sequence: int | None = None,
    ) -> OrderReport:
        sent = time_ns()
        try:
            report = await send()
        except VenueError as error:
            self.requests.answered(action, client_order_id, attempt, sent, error, intent_sequence)
            raise
        self.requests.answered(action, client_order_id, attempt, sent, None, intent_sequence)
        return report

    async def _carry_out(self, decision: Decision) -> None:
        match decision:
            case PlaceOrder():
                await self._place(decision)
            case CancelOrder():
                await self.cancel(decision.client_order_id)
            case QueryOrder() if self._slots.is_waiting(decision.client_order_id):
                reached("query_of_waiting_order")  # not at the venue yet; its placement reports the outcome
            case QueryOrder():
                await self._wait_placement_ended(decision.client_order_id)
                # The report of the query books no trades. Those that the private stream missed are fetched by a sweep
                # of the account publisher, which an empty message on this subject requests.
                await self._bus.publish(subjects.sweep(self._venue), b"")
                await self.resolve(decision.client_order_id, repeats=True)

    async def _wait_placement_ended(self, client_order_id: ClientOrderId) -> None:
        if (placing := self._placing.get(client_order_id)) is not None:
            await placing.wait()

    async def _place(self, order: PlaceOrder) -> None:
        order_id = order.client_order_id
        try:
            async with self._slots.slot(self._priority(order), self._queue_timeout_s(order_id), order_id):
                self._check(order)
                report = await self._send(order)
        except CheckFailed as failed:
            await self._on_check_failed(order, failed.reason, failed.detail)
        except Withdrawn as withdrawn:
            await self._on_check_failed(order, RejectReason.WITHDRAWN, str(withdrawn))
        except Expired as expired:
            reached("order_expired_in_queue")
            await self._on_check_failed(order, RejectReason.RATE_LIMITED, str(expired))
        except RequestRejected as rejected:
            await self._on_rejected(order, rejected)
        except Overloaded as overloaded:
            reached("venue_overloaded")
            self._rate_limiter.pause(overloaded.retry_after_s)
            await self._reporter.not_placed(order_id, RejectReason.RATE_LIMITED, str(overloaded))
        except VenueUnreachable as error:
            reached("venue_unreachable")
            await self._reporter.not_placed(order_id, RejectReason.OTHER, str(error))
        except OutcomeUnknown as error:
            reached("outcome_unknown")
            self._log.warning("outcome_unknown", client_order_id=order_id, detail=str(error))
            await self.resolve(order_id)
        else:
            self._metrics.placed.labels(self._symbol, order.side).inc()
            await self._reporter.answered(report)
        self.unresolved.pop(order_id, None)
        self._placing.pop(order_id).set()

    async def _send(self, order: PlaceOrder) -> OrderReport:
        intent = self.unresolved[order.client_order_id]
        started_ns = time_ns()
        try:
            report = await self._request(
                RequestAction.PLACE,
                order.client_order_id,
                1,
                lambda: self._entry.place(self._symbol, order, intent.created_time),
                intent.sequence,
            )
        finally:
            self._latencies.observe(time_ns() - started_ns)
        self._metrics.latency.observe((time_ns() - started_ns) / SECOND_NS)
        return report

    def _priority(self, order: PlaceOrder) -> Priority:
        kind = RequestKind.OPEN if order.opens else RequestKind.CLOSE
        return Priority(kind, abs(order.price - self._price) / self._price if self._price else ZERO)

    def _queue_timeout_s(self, client_order_id: ClientOrderId) -> float:
        """Return how long an order may wait to be sent, in seconds. Raises: CheckFailed when its window has passed."""
        return min(self._check_window(client_order_id), self._queue_lifetime_ns) / SECOND_NS

    def _check_window(self, client_order_id: ClientOrderId) -> DurationNs:
        """Return the rest of an order's receive window. Raises: CheckFailed when it has passed."""
        created_time = self.unresolved[client_order_id].created_time
        remaining_ns = created_time + self._entry.receive_window - time_ns()
        if remaining_ns < 0:
            reached("order_too_late")
            raise CheckFailed(RejectReason.TOO_LATE, "waited in the queue longer than the receive window")
        return remaining_ns

    def _check(self, order: PlaceOrder) -> None:
        self._check_window(order.client_order_id)
        if not order.opens:
            return
        if self._chain.is_broken:
            reached("refused_chain_broken")
            raise CheckFailed(
                RejectReason.RECORDS_LOST,
                "steps were changed or lost: no opening orders until the engine has resynchronized",
            )
        if self._heartbeat.is_silent:
            reached("refused_engine_silent")
            raise CheckFailed(
                RejectReason.ENGINE_SILENT, "opening orders are not sent without a heartbeat of the engine"
            )
        refused = self._exposure.check(self._symbol, order)
        if refused is not None:
            raise CheckFailed(*refused)

    async def _on_check_failed(self, order: PlaceOrder, reason: RejectReason, detail: str) -> None:
        intent = self.unresolved.get(order.client_order_id)
        self.requests.not_sent(
            order.client_order_id, reason, detail, intent.sequence if intent is not None else None
        )
        await self._reporter.not_placed(order.client_order_id, reason, detail)

    async def _on_rejected(self, order: PlaceOrder, rejected: RequestRejected) -> None:
        if rejected.reason is RejectReason.DUPLICATE_ID:
            reached("duplicate_order_id")
            # The venue has an order with this id, which may be live: its report decides.
            await self.resolve(order.client_order_id)
            return
        # TOO_LATE from the venue: the request arrived after its receive window, so it was not placed and never will be.
        is_late = rejected.reason is RejectReason.TOO_LATE
        if is_late:
            reached("order_late_at_venue")
        report = self._reporter.not_placed if is_late else self._reporter.rejected
        await report(order.client_order_id, rejected.reason, rejected.detail)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        backoff = Backoff(CANCEL_RETRY_S, MAX_RETRY_S)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._slots.slot(Priority(RequestKind.CANCEL)):
                    report = await self._request(
                        RequestAction.CANCEL,
                        client_order_id,
                        attempt,
                        lambda: self._entry.cancel(self._symbol, client_order_id),
                    )
                await self._reporter.answered(report)
            except OrderUnknown:
                reached("cancel_of_unknown_order")
                await self.resolve(client_order_id)
            except RequestRejected as rejected:
                reached("cancel_rejected")
                await self._reporter.cancel_rejected(client_order_id, rejected.detail)
            except VenueError as error:
                reached("cancel_retried")
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


class CheckFailed(Exception):
    """An order did not pass the gateway's own checks, so it is not sent."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
