"""Store a symbol's own trades and funding payments in ORDERS, each once."""

import asyncio
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

from bus import Bus, FromTime, Logger, Received, decode_or_log, read
from bus.client.jetstream import StreamState
from producers.account.fee_prices import with_fee_value
from producers.retry import Outbox, last_stored, retry_bus
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs, Symbol, TimeNs, VenueId
from schemas.venue.orders import Funding, Trade

OwnEvent = Trade | Funding

FUNDING_OVERLAP_NS: DurationNs = 3600 * SECOND_NS
"""How far before the start of a sweep payments are fetched: venues list them late, with the time at which they were due."""
MAX_CLOCK_ERROR_NS: DurationNs = 3600 * SECOND_NS
"""How much further ahead of the bus's clock than now the venue's clock may have been when an event was stored."""


class StoredEvent(NamedTuple):
    """A trade or payment in ORDERS."""

    time: TimeNs
    """By the venue's clock."""
    sequence: int


class OwnEvents:
    """The trades and payments of one symbol that are stored in ORDERS, from a time on.

    The stream's own deduplication forgets message ids after two minutes, so the ids are kept here. They are valid while
    the stream is: `is_lost` detects that it was purged, recreated or restored, or that another process has written.
    """

    def __init__(self, bus: Bus, outbox: Outbox, venue: VenueId, symbol: Symbol, log: Logger) -> None:
        self._bus = bus
        self._outbox = outbox
        self._log = log
        self._trades = subjects.own_trade(venue, symbol)
        self._fundings = subjects.funding(venue, symbol)
        self._lock = asyncio.Lock()
        self._known: dict[str, StoredEvent] = {}
        """The stored events by message id."""
        self._newest = {self._trades: 0, self._fundings: 0}
        """The sequence of the last event on each subject."""
        self._state: StreamState | None = None
        self._has_gone_back = False
        self.since: TimeNs | None = None
        """All stored trades with this time or a later one are known; None before the first `read`."""

    async def store(self, event: OwnEvent, *, is_lost: bool = False) -> bool:
        """Store an event unless it is known to be stored; return whether it was unknown.

        With `is_lost` it is stored without a message id: for two minutes, the server also drops a message with the id of
        one that was purged or deleted.
        """
        async with self._lock:
            message_id = self._message_id(event)
            if message_id in self._known:
                return False
            await self._store(event, None if is_lost else message_id)
            return True

    async def store_again(self, event: OwnEvent) -> None:
        """Store an event even if it is stored, and without a message id, by which the server would drop it."""
        async with self._lock:
            await self._store(event, None)

    async def read(self, since: TimeNs, clock_ahead: DurationNs) -> None:
        """Read from ORDERS which trades since a time, and payments since FUNDING_OVERLAP_NS earlier, are stored.

        `clock_ahead` is how far the venue's clock is ahead of the wall clock: ORDERS can only be searched by the time of
        storing, and no event is stored earlier than its own time less that. A venue that replays a recording is behind.
        """
        stored_since = since - FUNDING_OVERLAP_NS - max(clock_ahead, 0) - MAX_CLOCK_ERROR_NS
        async with self._lock:
            await retry_bus(partial(self._read, max(stored_since, 0)), self._bus, self._log, self._trades)
            self.since = since
            self._forget(since)

    def forget_before(self, time: TimeNs) -> None:
        """Forget the trades before a time, and the payments before FUNDING_OVERLAP_NS earlier."""
        if self.since is not None and time > self.since:
            self.since = time
            self._forget(time)

    async def is_lost(self) -> bool:
        """Return whether the stream no longer has what was read and stored, or has more: read it again."""
        async with self._lock:
            request = partial(self._bus.stream_state, Stream.ORDERS)
            state = await retry_bus(request, self._bus, self._log, self._trades)
            before, self._state = self._state, state
            if before is None or self._has_gone_back or state.created != before.created:
                return True
            oldest = min((each.sequence for each in self._known.values()), default=state.first)
            if state.first > oldest or _deleted(state) > _deleted(before):
                return True
            return any([await self._last(subject) != newest for subject, newest in self._newest.items()])

    async def _store(self, event: OwnEvent, message_id: str | None) -> None:
        subject = self._subject(event)
        if isinstance(event, Trade):
            event = await with_fee_value(event, self._bus, self._log)
        sequence = await self._outbox.store(subject, event, message_id)
        self._has_gone_back |= sequence <= self._newest[subject]
        self._newest[subject] = sequence
        self._known[self._message_id(event)] = StoredEvent(event.time, sequence)

    async def _read(self, stored_since: TimeNs) -> None:
        state = await self._bus.stream_state(Stream.ORDERS)
        known: dict[str, StoredEvent] = {}
        filters, start = (self._trades, self._fundings), FromTime(stored_since)
        async with aclosing(read(self._bus, Stream.ORDERS, filters, start)) as batches:
            async for batch in batches:
                for message in batch.messages:
                    if (event := self._decode(message)) is not None:
                        known[self._message_id(event)] = StoredEvent(event.time, message.sequence)
                if batch.caught_up:
                    break
        self._newest = {subject: await self._last(subject) for subject in self._newest}
        self._known, self._state, self._has_gone_back = known, state, False

    async def _last(self, subject: str) -> int:
        last = await last_stored(self._bus, Stream.ORDERS, subject, self._log)
        return 0 if last is None else last.sequence

    def _forget(self, before: TimeNs) -> None:
        fundings_before = before - FUNDING_OVERLAP_NS
        self._known = {
            message_id: stored
            for message_id, stored in self._known.items()
            if stored.time >= (fundings_before if message_id.startswith(f"{self._fundings}.") else before)
        }

    def _decode(self, message: Received) -> OwnEvent | None:
        if message.subject == self._trades:
            return decode_or_log(message, Trade, self._log)
        return decode_or_log(message, Funding, self._log)

    def _subject(self, event: OwnEvent) -> str:
        return self._trades if isinstance(event, Trade) else self._fundings

    def _message_id(self, event: OwnEvent) -> str:
        return own_event_id(self._subject(event), event)


def own_event_id(subject: str, event: OwnEvent) -> str:
    """Return the message id of a trade or payment: `order.sim.BTC-USDT_USDT.trade.9001`."""
    return f"{subject}.{event.trade_id if isinstance(event, Trade) else event.funding_id}"


def _deleted(state: StreamState) -> int:
    return state.last - state.first + 1 - state.messages
