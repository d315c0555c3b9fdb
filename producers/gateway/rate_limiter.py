"""The gateway's budget of requests: who may ask the venue next, the most urgent first, and nobody while it wants rest."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import IntEnum, auto
from typing import NamedTuple


class Rank(IntEnum):
    """What goes first."""

    CANCEL = auto()
    QUERY = auto()
    CLOSE = auto()
    OPEN = auto()


class Priority(NamedTuple):
    """Less is sooner."""

    rank: Rank
    distance: Decimal = Decimal(0)
    """From the price, as a share of it: far orders wait for near ones."""


class Expired(Exception):
    """A request waited longer than it is of use."""


class VenueRateLimiter:
    """The tokens of one venue, shared by the lanes of its symbols."""

    def __init__(self, per_s: float, burst: int, *, is_in_order: bool = False) -> None:
        """Allow `burst` requests at once and `per_s` a second from then on; 0 is no limit.

        In order, nobody goes before those who came earlier: which of two comes in time to be sorted is the machine's doing.
        """
        self._per_s = per_s
        self._burst = burst
        self.is_in_order = is_in_order
        self._tokens = float(burst)
        self._filled = 0.0
        self._rests_until = 0.0
        self._lanes: list[Lane] = []
        self._timer: asyncio.TimerHandle | None = None

    def lane(self, concurrency: int) -> "Lane":
        """Return a lane on which so many requests may be under way at the same time."""
        lane = Lane(self, concurrency)
        self._lanes.append(lane)
        return lane

    def rest(self, seconds: float) -> None:
        """Let nobody ask for so long: the venue wants it."""
        self._rests_until = max(self._rests_until, asyncio.get_running_loop().time() + seconds)

    def grant(self) -> None:
        """Let ask who may, the most urgent first."""
        while (lane := min(filter(Lane.is_ready, self._lanes), key=Lane.first, default=None)) is not None:
            wait_s = self._wait()
            if wait_s > 0:
                self._grant_after(wait_s)
                return
            self._tokens -= 1
            lane.let_go()

    def _wait(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._rests_until > now:
            return self._rests_until - now
        if not self._per_s:
            return 0.0
        self._tokens = min(float(self._burst), self._tokens + (now - self._filled) * self._per_s)
        self._filled = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._per_s

    def _grant_after(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.grant)


Waiting = tuple[Priority, int, "asyncio.Future[None]"]


class Lane:
    """The requests of one symbol."""

    def __init__(self, budget: VenueRateLimiter, concurrency: int) -> None:
        self._budget = budget
        self._room = concurrency
        self._waiting: list[Waiting] = []
        self._number = 0

    @asynccontextmanager
    async def turn(self, urgency: Priority, patience_s: float | None = None) -> AsyncIterator[None]:
        """Wait for a turn to ask the venue, and have it as long as the context lasts.

        Raises: Shed when it has not come within `patience_s`.
        """
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        if self._budget.is_in_order:
            urgency = Priority(Rank.CANCEL)
        heapq.heappush(self._waiting, (urgency, self._number, granted))
        # What was decided together comes together: the most urgent of it goes first, not the first of it.
        asyncio.get_running_loop().call_soon(self._budget.grant)
        try:
            async with asyncio.timeout(patience_s):
                await granted
        except TimeoutError:
            self._give_back(granted)
            raise Expired(f"no turn within {patience_s:.1f} s: more urgent ones went first") from None
        except asyncio.CancelledError:
            self._give_back(granted)
            raise
        try:
            yield
        finally:
            self._room += 1
            self._budget.grant()

    def is_ready(self) -> bool:
        """Tell whether somebody waits who could go."""
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        return bool(self._waiting) and self._room > 0

    def first(self) -> tuple[Priority, int]:
        """Return how urgent the first one is, and how long the lane has been waiting in numbers."""
        urgency, number, _ = self._waiting[0]
        return urgency, number

    def let_go(self) -> None:
        """Let the first one go."""
        self._room -= 1
        heapq.heappop(self._waiting)[2].set_result(None)

    def _give_back(self, granted: "asyncio.Future[None]") -> None:
        # It may have been granted in the moment that it was given up.
        if granted.cancelled() or not granted.done():
            granted.cancel()
            return
        self._room += 1
        self._budget.grant()
