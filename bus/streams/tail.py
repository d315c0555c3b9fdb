"""The messages that a stream republishes once they are stored, as they arrive, and whether one may be missing.

Republished messages are faster than reading, but may be lost: while the connection is down, and in a cluster also when a
leader changes or a route between servers breaks. The headers name the previous message on the same subject, so that a gap on
one subject is noticed with the next message. Between subjects there is no such link: see `Tail.take`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import nats.errors
from nats.aio.subscription import Subscription

from bus.client.connection import Bus
from bus.client.direct_get import Stored, parse_stored, received_of
from bus.client.message import Received
from bus.client.subject_filters import is_wild
from bus.streams.read_position import ReadPosition
from bus.streams.topology import LIVE_PREFIX

MAX_WAITING = 512
MAX_WAITING_BYTES = 1024 * 1024
"""Republished messages beyond either limit are dropped and read from the stream later."""


class _Arrival(NamedTuple):
    stored: Stored
    data: bytes


class Tail:
    """The republished messages of the filters that a reader has not taken yet. Use it as an async context manager."""

    def __init__(self, bus: Bus, filters: Sequence[str], position: ReadPosition) -> None:
        self._bus = bus
        self._filters = tuple(filters)
        self._position = position
        self._is_one_subject = len(self._filters) == 1 and not is_wild(self._filters[0])
        self._subscriptions: list[Subscription] = []
        self._arrivals: deque[_Arrival] = deque()
        self._bytes = 0
        self._last_arrival = 0
        self._wake = asyncio.Event()
        self.is_lossless = False
        """Whether no republished message can be lost while the connection is up: there is only one server."""
        self.target = 0
        """The stream has to be read up to this sequence: republished messages were dropped or may be missing."""
        self.doubt = ""
        """Why the state of the stream has to be checked before reading on; empty while it need not be."""

    async def __aenter__(self) -> Self:
        try:
            for each in self._filters:
                subject = f"{LIVE_PREFIX}{each}"
                self._subscriptions.append(await self._bus.nc.subscribe_direct(subject, self._on_message))
        except BaseException:
            await self._unsubscribe()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._unsubscribe()

    def restart(self) -> None:
        """Forget what has arrived so far: the stream is read up to its end next."""
        self._clear()
        self._last_arrival = self.target = 0
        self.doubt = ""

    def suspect(self, why: str) -> None:
        """Have the reader check the state of the stream and read what it may have missed."""
        self.doubt = self.doubt or why
        self._wake.set()

    def read_up_to(self, sequence: int) -> None:
        """Have the reader read the stream up to a stored message."""
        self.target = max(self.target, sequence)
        self._wake.set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known to be stored that was not delivered."""
        return not self._arrivals and self.target <= self._position.covered

    async def wait(self) -> None:
        """Wait until something has arrived."""
        while self.is_empty and not self.doubt:
            self._wake.clear()
            await self._wake.wait()

    def take(self, count: int) -> list[Received]:
        """Take the messages before which certainly none is missing.

        That is so when a message follows on what was delivered, either by its sequence or, when only one subject is read, by
        the previous sequence on its subject; and always when no republished message can be lost. At any other message
        `target` is set: up to there the stream has to be read.
        """
        taken: list[Received] = []
        while self._arrivals and len(taken) < count:
            stored, data = self._arrivals[0]
            if stored.sequence > self._position.covered:
                if not self._follows(stored):
                    break
                message = received_of(stored, data)
                if self._position.deliver(message):
                    taken.append(message)
                self._position.cover(stored.sequence)
            self._arrivals.popleft()
            self._bytes -= len(data)
        return taken

    def forget_covered(self) -> None:
        """Forget what has been read from the stream instead."""
        while self._arrivals and self._arrivals[0].stored.sequence <= self._position.covered:
            self._bytes -= len(self._arrivals.popleft().data)

    def _follows(self, stored: Stored) -> bool:
        known = self._position.last_on(stored.subject)
        if stored.previous == 0 or stored.previous < known:
            # The first message on its subject, or so it seems: the stream may have been purged, restored or recreated.
            self.suspect(f"{stored.subject} starts again at {stored.sequence}")
            return False
        has_no_gap = self._is_one_subject or self.is_lossless or stored.sequence == self._position.next
        if has_no_gap and stored.previous <= max(known, self._position.covered):
            return True
        self._drop()
        return False

    def _on_message(self, subject: bytes, _: bytes, headers: bytes, data: bytes) -> None:
        stored = parse_stored(headers)
        if stored is None or stored.stream != self._position.stream:
            return  # not republished by this stream
        if stored.sequence <= self._last_arrival:
            self.suspect(f"{stored.sequence} arrived after {self._last_arrival}")
        self._last_arrival = stored.sequence
        self._arrivals.append(_Arrival(stored, data))
        self._bytes += len(data)
        if len(self._arrivals) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._drop()
        self._wake.set()

    def _drop(self) -> None:
        self.target = max(self.target, *(each.stored.sequence for each in self._arrivals))
        self._clear()

    def _clear(self) -> None:
        self._arrivals.clear()
        self._bytes = 0

    async def _unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            with suppress(nats.errors.Error):
                await self._bus.nc.unsubscribe_direct(subscription)
