"""Rate limiter of a venue: a token bucket with priorities, paused on the venue's request."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import IntEnum, auto
from typing import NamedTuple

from schemas.units import ZERO, ClientOrderId

ROUNDING = 1e-9
"""Tokens by which a sum may be wrong: waiting for so little would not advance the clock."""


class RequestKind(IntEnum):
    """Kinds of requests, the most urgent first. CLOSE and OPEN place an order that closes or opens a position."""

    CANCEL = auto()
    QUERY = auto()
    CLOSE = auto()
    OPEN = auto()


class Priority(NamedTuple):
    """Sort key of a request: the smallest is sent first."""

    kind: RequestKind
    distance: Decimal = ZERO
    """Of an order from the price, as a fraction of the price: near orders are sent before far ones."""


class Expired(Exception):
    """A request was not granted within its timeout, so it was not sent."""


class Withdrawn(Exception):
    """A request was withdrawn before it was granted, so it was not sent."""


class VenueRateLimiter:
    """The request tokens of one venue, shared by the queues of its symbols."""

    def __init__(self, per_s: float, burst: int, *, is_in_order: bool = False) -> None:
        """Allow `burst` requests at once and `per_s` a second from then on; 0 is no limit.

        `is_in_order` ignores priorities: which requests are queued together depends on the machine's speed.
        """
        self._per_s = per_s
        self._burst = burst
        self.is_in_order = is_in_order
        self._tokens = float(burst)
        self._refilled_at_s = 0.0  # of the event loop's clock, as is the next
        self._paused_until_s = 0.0
        self._queues: list[RequestQueue] = []
        self._timer: asyncio.TimerHandle | None = None

    def queue(self, concurrency: int) -> "RequestQueue":
        """Return a new queue that sends at most `concurrency` requests at the same time."""
        queue = RequestQueue(self, concurrency)
        self._queues.append(queue)
        return queue

    def pause(self, seconds: float) -> None:
        """Grant no request for `seconds`, as requested by the venue; a longer pause in effect stays."""
        self._paused_until_s = max(self._paused_until_s, asyncio.get_running_loop().time() + seconds)

    def grant(self) -> None:
        """Grant the requests that may be sent now, by priority."""
        while (queue := self._most_urgent()) is not None:
            wait_s = self._wait_s()
            if wait_s > 0:
                self._grant_after(wait_s)
                return
            self._tokens -= 1
            queue.grant_first()

    def _most_urgent(self) -> "RequestQueue | None":
        ready = (queue for queue in self._queues if queue.is_ready())
        return min(ready, key=RequestQueue.first_key, default=None)

    def _wait_s(self) -> float:
        now_s = asyncio.get_running_loop().time()
        if self._paused_until_s > now_s:
            return self._paused_until_s - now_s
        if not self._per_s:
            return 0.0
        refilled = self._tokens + (now_s - self._refilled_at_s) * self._per_s
        self._tokens = min(float(self._burst), refilled)
        self._refilled_at_s = now_s
        return 0.0 if self._tokens > 1 - ROUNDING else (1 - self._tokens) / self._per_s

    def _grant_after(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.grant)


Waiting = tuple[Priority, int, "asyncio.Future[None]"]
"""A request that waits: its priority, its number in order of arrival, and the future that is set when it is granted."""


class RequestQueue:
    """The waiting requests of one symbol."""

    def __init__(self, limiter: VenueRateLimiter, concurrency: int) -> None:
        self._limiter = limiter
        self._free_slots = concurrency
        self._waiting: list[Waiting] = []
        self._withdrawable: dict[ClientOrderId, asyncio.Future[None]] = {}
        self._number = 0

    @asynccontextmanager
    async def slot(
        self, priority: Priority, timeout_s: float | None = None, key: ClientOrderId | None = None
    ) -> AsyncIterator[None]:
        """Wait for permission to send a request, and occupy a slot as long as the context lasts.

        A permission includes a token of the venue's rate and a free slot of this queue.

        Raises: Expired when it is not granted within `timeout_s`; None waits without limit. Withdrawn when it was withdrawn
        by its `key`.
        """
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if key is not None:
            self._withdrawable[key] = granted
        self._number += 1
        if self._limiter.is_in_order:
            priority = Priority(RequestKind.CANCEL)
        heapq.heappush(self._waiting, (priority, self._number, granted))
        # Granted later, so that the requests of one step are queued together and sorted by priority.
        asyncio.get_running_loop().call_soon(self._limiter.grant)
        try:
            async with asyncio.timeout(timeout_s):
                await granted
        except TimeoutError:
            self._withdraw(granted)
            cause = "held back by the rate limit, a pause or more urgent requests"
            raise Expired(f"not sent within {timeout_s:.1f} s: {cause}") from None
        except asyncio.CancelledError:
            self._withdraw(granted)
            raise
        finally:
            if key is not None:
                del self._withdrawable[key]
        try:
            yield
        finally:
            self._free_slots += 1
            self._limiter.grant()

    def withdraw(self, key: ClientOrderId) -> bool:
        """Withdraw the request with this key if it still waits; return whether it did."""
        if not self.is_waiting(key):
            return False
        self._withdrawable[key].set_exception(Withdrawn("canceled before it was sent"))
        return True

    def is_waiting(self, key: ClientOrderId) -> bool:
        """Return whether the request with this key still waits, so that it may or may not be sent."""
        granted = self._withdrawable.get(key)
        return granted is not None and not granted.done()

    def is_ready(self) -> bool:
        """Return whether a request waits and a slot is free."""
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        return bool(self._waiting) and self._free_slots > 0

    def first_key(self) -> tuple[Priority, int]:
        """Return the priority and number of the first request; a small number is an old request."""
        priority, number, _ = self._waiting[0]
        return priority, number

    def grant_first(self) -> None:
        """Grant the first request."""
        self._free_slots -= 1
        heapq.heappop(self._waiting)[2].set_result(None)

    def _withdraw(self, granted: "asyncio.Future[None]") -> None:
        # The request may have been granted at the same moment.
        if granted.cancelled() or not granted.done():
            granted.cancel()
            return
        self._free_slots += 1
        self._limiter.grant()
