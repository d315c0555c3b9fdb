"""Fault injection: faults of requests and events, drawn from a seed by their number."""

from collections import deque
from enum import Enum
from typing import NamedTuple

from producers.simulated.draws import key_of, uniform
from producers.simulated.parameters import LatencySettings
from producers.simulated.server.latency import request_delay
from producers.simulated.settings import FaultSettings
from schemas.units import DurationNs
from schemas.venue.orders import RejectReason

NO_LATENCY = LatencySettings()


class HttpRejection(Enum):
    """HTTP status of a private request that is not carried out."""

    RATE_LIMITED = 429
    OVERLOADED = 503


class RequestFaults(NamedTuple):
    """Faults of one private request."""

    rejection: HttpRejection | None = None
    delay: DurationNs = 0
    """Nanoseconds before it is processed."""
    answer_is_lost: bool = False
    """The connection is closed without a response."""


class EventFaults(NamedTuple):
    """Faults of one account event."""

    copies: int = 1
    """0: the event is lost."""
    is_late: bool = False
    is_reordered: bool = False
    disconnects: bool = False
    """The account streams are disconnected before the event."""


class FaultInjector:
    """Decides the faults of each request, event and tick. `settings` can be replaced at any time."""

    def __init__(self, settings: FaultSettings, start: int, latency: LatencySettings = NO_LATENCY) -> None:
        """Start with the first request; `latency` is that of the venue by the clock."""
        self.settings = settings
        self._latency = latency
        self._start = start
        self._requests = 0
        self._order_rejections: deque[RejectReason] = deque()
        self._requests_to_limit = 0

    def reject_next(self, count: int, reason: RejectReason) -> None:
        """Reject the next `count` orders for a reason; RATE_LIMITED rejects private requests of any kind."""
        if reason is RejectReason.RATE_LIMITED:
            self._requests_to_limit += count
        else:
            self._order_rejections.extend([reason] * count)

    def take_order_rejection(self) -> RejectReason | None:
        """Return the reason to reject the next order, as set by `reject_next`; None to accept it."""
        return self._order_rejections.popleft() if self._order_rejections else None

    def for_request(self, *, is_write: bool) -> RequestFaults:
        """Return the faults of the next private request; only a write can be delayed or lose its response."""
        self._requests += 1
        if self._requests_to_limit:
            self._requests_to_limit -= 1
            return RequestFaults(rejection=HttpRejection.RATE_LIMITED)
        # The start count is part of the name: otherwise a request retried after each restart would fail every time.
        key = key_of(self.settings.seed, "request")
        rolls = [uniform(key, self._start, self._requests, number) for number in range(5)]
        faults = self.settings
        if rolls[0] < faults.rate_limited:
            return RequestFaults(rejection=HttpRejection.RATE_LIMITED)
        if rolls[1] < faults.overloaded:
            return RequestFaults(rejection=HttpRejection.OVERLOADED)
        delay_ns = faults.latency if is_write else 0
        if is_write and self._latency:
            delay_ns += request_delay(
                self._latency, key_of(faults.seed, "latency"), self._start, self._requests
            )
        if is_write and rolls[2] < faults.request_late:
            delay_ns += int(faults.request_delay * (0.5 + rolls[3] / 2))  # from half of it to all
        return RequestFaults(
            delay=delay_ns,
            answer_is_lost=is_write and rolls[4] < faults.answer_lost,
        )

    def for_event(self, sequence: int) -> EventFaults:
        """Return the faults of an account event."""
        faults = self.settings
        if not (
            faults.lost or faults.doubled or faults.late or faults.reordered or faults.disconnect_account
        ):
            return EventFaults()
        key = key_of(faults.seed, "event")
        rolls = [uniform(key, sequence, number) for number in range(5)]
        copies = 2 if rolls[1] < faults.doubled else 1
        return EventFaults(
            copies=0 if rolls[0] < faults.lost else copies,
            is_late=rolls[2] < faults.late,
            is_reordered=rolls[3] < faults.reordered,
            disconnects=rolls[4] < faults.disconnect_account,
        )

    def disconnects_market(self, tick: int) -> bool:
        """Return whether a tick disconnects the market streams."""
        probability = self.settings.disconnect_market
        return probability > 0 and uniform(key_of(self.settings.seed, "market"), tick) < probability
