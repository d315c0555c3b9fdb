"""Read what a stream has stored, page by page, up to what its leader had when the reading began.

A direct get may be answered by a replica that lags behind. What it returns is stored, in order and without gaps; but that
it returns nothing proves nothing. The end is therefore asked from the leader. If replicas stay behind for
longer than `MAX_RETRY_S`, the messages are read from the leader too, one request each.
"""

import asyncio
import datetime
import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bus.backoff import Backoff
from bus.client.connection import Bus
from bus.client.direct_get import MAX_PAGE_BYTES, DirectGets, Page
from bus.client.jetstream import FoundMessage, StreamState
from bus.client.jetstream_api import LOOKUP_TIMEOUT_S, NO_MESSAGE_FOUND
from bus.client.message import Received
from bus.errors import Ambiguous, Rejected, StreamGone
from bus.log import get_logger
from bus.marks import reached
from bus.streams.read_position import ReadPosition
from bus.streams.snapshot import Lagging, Snapshot
from bus.streams.start import FromTime, LastPerSubject, NewOnly, Start
from schemas.units import SECOND_NS

RETRY_S = 0.05
MAX_RETRY_S = 1.0
MAX_PAGE_MESSAGES = 1024
IDENTITY_INTERVAL_S = 0.1
LAG_RETRY_S = 0.005
"""A replica lags by milliseconds as a rule."""
UNAVAILABLE = 503

_log = get_logger("bus")


@dataclass(frozen=True, slots=True)
class Batch:
    """Received messages, in stream order."""

    messages: list[Received]
    caught_up: bool
    """Whether the stream had no further message when the last one was delivered. A batch without messages is yielded when
    the stream has none at first, and when none were missed during a reconnect."""


class History:
    """Reads the stored messages after a position. A round ends with a batch that is caught up; then call `restart`."""

    def __init__(
        self,
        bus: Bus,
        gets: DirectGets,
        filters: Sequence[str],
        start: Start,
        position: ReadPosition,
        batch: int,
    ) -> None:
        self._bus = bus
        self._gets = gets
        self._stream = position.stream
        self._filters = tuple(filters)
        self._start = start
        self._position = position
        self._batch = batch
        self._is_located = not isinstance(start, NewOnly | FromTime)
        self._snapshot = (
            Snapshot(bus, gets, position.stream, filters, batch) if start == LastPerSubject() else None
        )
        self._round: _Round | None = None
        self._page_size = batch
        self._identity_checked_at = 0.0
        self.is_whole_stream = False
        """Whether the reader's filter is that of the stream: it need not be applied."""
        self.is_on_one_server = False
        """Whether the stream and this connection are on a server without others."""
        self._reads_leader = False
        self._retry = Backoff(RETRY_S, MAX_RETRY_S)
        self._lag = Backoff(LAG_RETRY_S, MAX_RETRY_S)

    def restart(self) -> None:
        """Begin a new round: to what the leader has from now on."""
        self._round = None

    async def read(self) -> Batch:
        """Return the next messages, retrying until they can be read. A batch without messages is caught up.

        Raises: StreamGone, OffsetLost, Rejected, ConnectionClosed.
        """
        while True:
            try:
                if self._round is None:
                    await self._bus.wait_connected()
                    self._round = await self._begin()
                batch = await self._read(self._round)
            except Lagging:
                reached("replica_behind")
                self._round = None
                await self._wait_for_replica()
            except StreamGone:
                if self._position.created is None:
                    raise
                raise self._position.lost(None) from None
            except (Ambiguous, Rejected) as error:
                if isinstance(error, Rejected) and error.status != UNAVAILABLE:
                    raise
                _log.warning("read_retry", stream=self._stream, detail=error)
                self._round = None
                await self._retry.wait()
            else:
                if batch is not None:
                    self._retry.reset()
                    self._lag.reset()
                    self._reads_leader = self._reads_leader and not batch.caught_up
                    return batch

    async def _wait_for_replica(self) -> None:
        if self._lag.next_s >= MAX_RETRY_S and not self._reads_leader:
            reached("leader_read_instead")
            _log.warning("replica_lags", stream=self._stream, detail="its leader is read instead")
            self._reads_leader = True
        await self._lag.wait()

    async def _begin(self) -> "_Round":
        state = await self._bus.stream_state(self._stream)
        self.is_on_one_server = is_on_one_server(self._bus, state)
        if not self._is_located:
            await self._locate(state)
        await self._position.check(self._bus, state)
        # Asked after the state: what is stored meanwhile does not matter, and what is older is included.
        due = await self._last_stored() if state.replicas > 1 else {}
        self.is_whole_stream = state.subjects == self._filters
        sources = [_Source(each, self._position.covered, due.get(each)) for each in self._filters]
        return _Round(state, sources)

    async def _locate(self, state: StreamState) -> None:
        """Find the sequence at which `NewOnly` or `FromTime` starts."""
        before = state.last
        if isinstance(self._start, FromTime):
            try:
                body = {"start_time": time_text(self._start.time_ns), "next_by_subj": ">"}
                found = await self._bus.api(
                    f"STREAM.MSG.GET.{self._stream}", body, FoundMessage, LOOKUP_TIMEOUT_S
                )
                before = found.message.seq - 1
            except Rejected as error:
                if error.code != NO_MESSAGE_FOUND:
                    raise
        self._position.covered = before
        self._position.is_firm = isinstance(self._start, NewOnly)
        self._is_located = True

    async def _last_stored(self) -> dict[str, int]:
        last = await asyncio.gather(*(self._bus.last(self._stream, each) for each in self._filters))
        return {each: found.sequence if found else 0 for each, found in zip(self._filters, last, strict=True)}

    async def _read(self, round_: "_Round") -> Batch | None:
        if self._snapshot is not None:
            return await self._read_snapshot(self._snapshot, round_)
        empty = [each for each in round_.sources if not each.waiting and not each.is_done]
        if empty:
            for source in empty:
                await self._request(source)
            pages = await asyncio.gather(*(source.page() for source in empty))
            for source, page in zip(empty, pages, strict=True):
                source.put(page, round_.state)
            await self._read_ahead(round_)
        messages = round_.take(self._batch)
        is_end = all(not each.waiting and each.is_done for each in round_.sources)
        await self._check_identity(is_due=is_end)
        new = [each for each in messages if self._position.deliver(each)]
        covered = round_.covered(messages)
        if covered > self._position.covered:
            self._position.cover(covered)
        if is_end:
            self._position.cover(round_.state.last)
        return Batch(new, is_end) if new or is_end else None

    async def _check_identity(self, *, is_due: bool) -> None:
        """Check, at times and at the end, that the messages are not of a stream that was created again."""
        now = asyncio.get_running_loop().time()
        if is_due or now - self._identity_checked_at > IDENTITY_INTERVAL_S:
            self._identity_checked_at = now
            self._position.check_identity(await self._bus.stream_state(self._stream))

    async def _request(self, source: "_Source") -> None:
        if source.request is None and self._reads_leader:
            source.request = asyncio.ensure_future(self._leader_page(source.pattern, source.covered + 1))
        elif source.request is None:
            body: dict[str, object] = {"seq": source.covered + 1, "batch": self._page_size}
            if not self.is_whole_stream:
                body["next_by_subj"] = source.pattern
            source.request = await self._gets.send({**body, "max_bytes": MAX_PAGE_BYTES})
            # The server counts the matching messages for each request, so larger pages are cheaper.
            self._page_size = max(self._page_size, min(2 * self._page_size, MAX_PAGE_MESSAGES))

    async def _leader_page(self, pattern: str, sequence: int) -> Page:
        found = await self._bus.next(self._stream, pattern, sequence)
        return Page([found], 1, 0, is_whole=True) if found else Page([], 0, 0, is_whole=True)

    async def _read_ahead(self, round_: "_Round") -> None:
        """Request the next page of a single filter while this one is worked on."""
        if len(round_.sources) == 1 and not round_.sources[0].is_done and not self._reads_leader:
            await self._request(round_.sources[0])

    async def _read_snapshot(self, snapshot: Snapshot, round_: "_Round") -> Batch | None:
        read = snapshot.read_leader if self._reads_leader else snapshot.read
        messages = await read(round_.state)
        await self._check_identity(is_due=True)
        new = [each for each in messages if self._position.deliver(each)]
        if not snapshot.is_complete:
            return Batch(new, caught_up=False) if new else None
        self._snapshot = None
        self._position.cover(snapshot.up_to)
        for source in round_.sources:
            source.covered = snapshot.up_to
        is_end = snapshot.up_to >= round_.state.last
        return Batch(new, is_end) if new or is_end else None


class _Source:
    """The pages of one filter."""

    def __init__(self, pattern: str, covered: int, due: int | None) -> None:
        self.pattern = pattern
        self.covered = covered
        self.waiting: deque[Received] = deque()
        self.is_done = False
        self.request: asyncio.Future[Page] | None = None
        self._due = due
        """The sequence of the last message that the leader has; None for a stream on one server, which does not lag."""

    async def page(self) -> Page:
        assert self.request is not None, "a page is requested first"
        return await self.request

    def put(self, page: Page, state: StreamState) -> None:
        """Take a page over."""
        self.request = None
        self.waiting.extend(page.messages)
        if page.messages:
            self.covered = page.messages[-1].sequence
        if self.covered < state.last:
            if page.pending:
                return
            if self._due is not None and self.covered < self._due:
                if not page.messages:
                    raise Lagging
                return
            self.covered = state.last
        self.is_done = True


@dataclass(frozen=True, slots=True)
class _Round:
    """A reading from a position to the end that the leader had at its beginning."""

    state: StreamState
    sources: list[_Source]

    def take(self, count: int) -> list[Received]:
        """Take messages in stream order, up to where the next page of a filter is needed."""
        if len(self.sources) == 1:
            waiting = self.sources[0].waiting
            return [waiting.popleft() for _ in range(min(count, len(waiting)))]
        heads = [(source.waiting[0].sequence, at) for at, source in enumerate(self.sources) if source.waiting]
        heapq.heapify(heads)
        # What is newer than the end of a filter that has been read completely is left for later.
        limit = min(each.covered for each in self.sources)
        taken: list[Received] = []
        while heads and len(taken) < count and heads[0][0] <= limit:
            _, at = heapq.heappop(heads)
            waiting = self.sources[at].waiting
            taken.append(waiting.popleft())
            if waiting:
                heapq.heappush(heads, (waiting[0].sequence, at))
        if all(each.is_done for each in self.sources):
            for source in self.sources:
                if source.waiting and source.waiting[0].sequence > limit:
                    source.waiting.clear()
        return taken

    def covered(self, taken: Sequence[Received]) -> int:
        """Return up to which sequence all messages have been taken."""
        waiting = [each.waiting[0].sequence - 1 for each in self.sources if each.waiting]
        limit = min(each.covered for each in self.sources)
        return min([*waiting, limit]) if taken else 0


def is_on_one_server(bus: Bus, state: StreamState) -> bool:
    """Return whether a connection and a stream are on the same server, which is in no cluster."""
    return not state.leader and not is_in_cluster(bus)


def is_in_cluster(bus: Bus) -> bool:
    """Return whether the server of a connection is one of a cluster."""
    return "cluster" in bus.nc._server_info


def time_text(time_ns: int) -> str:
    """Return a time as JetStream expects it: `2026-11-21T05:10:27.659794879Z`."""
    seconds, rest = divmod(time_ns, SECOND_NS)
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
