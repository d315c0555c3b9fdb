"""Record of the requests of one symbol, on `order.V.S.request`; written in the background, so that trading never waits."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bus import Bus, BusError, Logger
from bus.runtime import time_ns
from producers.ports import (
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    RequestRejected,
    VenueError,
    VenueUnreachable,
)
from producers.retry import Outbox
from schemas import subjects
from schemas.units import ClientOrderId, Symbol, TimeNs, VenueId
from schemas.venue.orders import RejectReason
from schemas.venue.requests import OrderRequest, RequestAction, RequestOutcome

MAX_QUEUED = 10_000
"""Records that wait while the bus does not store; beyond that the oldest are dropped."""
FLUSH_TIMEOUT_S = 1.0

_OUTCOMES: dict[type[VenueError], RequestOutcome] = {
    RequestRejected: RequestOutcome.REJECTED,
    OrderUnknown: RequestOutcome.UNKNOWN_ORDER,
    OutcomeUnknown: RequestOutcome.OUTCOME_UNKNOWN,
    Overloaded: RequestOutcome.OVERLOADED,
    VenueUnreachable: RequestOutcome.UNREACHABLE,
}


class RequestLog:
    """Records requests in order. Only a context of `writing` stores them; one that ends cleanly stores what is queued."""

    def __init__(self, bus: Bus, log: Logger, venue: VenueId, symbol: Symbol) -> None:
        self._outbox = Outbox(bus, log)
        self._log = log
        self._venue = venue
        self._symbol = symbol
        self._queue: deque[OrderRequest] = deque()
        self._has_new = asyncio.Event()
        self._dropped = 0

    @property
    def unrecorded(self) -> tuple[ClientOrderId, ...]:
        """The orders whose placement ended, and whose record is not stored yet: after a crash it would be missing."""
        return tuple(each.client_order_id for each in self._queue if each.action is RequestAction.PLACE)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Store the records while the context lasts."""
        writer = asyncio.create_task(self._write_for_ever(), name=f"requests:{self._symbol}")
        try:
            yield
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_TIMEOUT_S):
                    await self._write()

    def answered(
        self,
        action: RequestAction,
        client_order_id: ClientOrderId,
        attempt: int,
        sent: TimeNs,
        error: VenueError | None = None,
        intent_sequence: int | None = None,
    ) -> None:
        """Record a request that has just ended: with the venue's answer, or with an error."""
        now = time_ns()
        outcome = _outcome(error)
        was_sent = outcome is not RequestOutcome.UNREACHABLE
        self._add(
            OrderRequest(
                venue=self._venue,
                symbol=self._symbol,
                action=action,
                client_order_id=client_order_id,
                attempt=attempt,
                outcome=outcome,
                intent_sequence=intent_sequence,
                sent=sent if was_sent else None,
                answered=now if was_sent and outcome is not RequestOutcome.OUTCOME_UNKNOWN else None,
                error="" if error is None else type(error).__name__,
                reject_reason=error.reason if isinstance(error, RequestRejected) else None,
                detail=_detail(error),
                time=now,
            )
        )

    def not_sent(
        self,
        client_order_id: ClientOrderId,
        reason: RejectReason,
        detail: str,
        intent_sequence: int | None = None,
    ) -> None:
        """Record a placement that the gateway did not send."""
        self._add(
            OrderRequest(
                venue=self._venue,
                symbol=self._symbol,
                action=RequestAction.PLACE,
                client_order_id=client_order_id,
                attempt=1,
                outcome=RequestOutcome.NOT_SENT,
                intent_sequence=intent_sequence,
                reject_reason=reason,
                detail=detail,
                time=time_ns(),
            )
        )

    def inherited(self, client_order_id: ClientOrderId, intent_sequence: int | None) -> None:
        """Record the takeover of an order that an earlier gateway may have sent."""
        self._add(
            OrderRequest(
                venue=self._venue,
                symbol=self._symbol,
                action=RequestAction.PLACE,
                client_order_id=client_order_id,
                attempt=1,
                outcome=RequestOutcome.INHERITED,
                intent_sequence=intent_sequence,
                detail="queried, not sent",
                time=time_ns(),
            )
        )

    def _add(self, record: OrderRequest) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(record)
        self._has_new.set()

    async def _write_for_ever(self) -> None:
        while True:
            await self._has_new.wait()
            self._has_new.clear()
            await self._write()

    async def _write(self) -> None:
        subject = subjects.order_request(self._venue, self._symbol)
        while self._queue:
            record = self._queue[0]
            key = f"{record.client_order_id}.{record.action}.{record.attempt}.{record.time}"
            try:
                await self._outbox.store(subject, record, message_id=f"{subject}.{key}")
            except BusError as error:
                self._log.error("request_not_recorded", symbol=self._symbol, detail=str(error))
            if self._queue and self._queue[0] is record:
                self._queue.popleft()
            if self._dropped:
                self._log.error("requests_not_recorded", symbol=self._symbol, count=self._dropped)
                self._dropped = 0


def _outcome(error: VenueError | None) -> RequestOutcome:
    if error is None:
        return RequestOutcome.ACCEPTED
    return next(outcome for kind, outcome in _OUTCOMES.items() if isinstance(error, kind))


def _detail(error: VenueError | None) -> str:
    if error is None:
        return ""
    return error.detail if isinstance(error, RequestRejected) else str(error)
