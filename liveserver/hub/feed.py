"""The bus side: reads what there is into a projection, shows it, and keeps it up to date."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Never

from bus import (
    Bus,
    BusError,
    ConnectionClosed,
    FromSequence,
    FromStart,
    FromTime,
    LatestValues,
    Logger,
    OffsetLost,
    Received,
    Start,
    TopologyDiffers,
    provision,
    read,
)
from liveserver.hub.replica import Replica
from liveserver.protocol.cursors import DURABLE
from liveserver.view.history import filters
from liveserver.view.projection import Outgoing, Projection
from schemas.codec import UndecodableError, decode
from schemas.subjects import Stream
from schemas.units import SECOND_NS, DurationNs
from schemas.venue.account import OpenOrders

LEVELS = {
    Stream.MARKET: ("market.*.*.ticker", "market.*.*.candle.*", "market.*.*.feed"),
    Stream.ACCOUNT: ("account.>",),
}
"""Of these only the newest of each subject counts."""

LOGS = {stream: filters(stream) for stream in DURABLE}
"""Of these every message counts, in order."""

RECENT_NS: DurationNs = 24 * 3600 * SECOND_NS
"""How far back ENGINE and CONTROL are read."""

RECENT_ORDERS = 50_000
"""How far back ORDERS is read, in messages, unless a sweep is older."""

RECENT_GRIDS = 5_000
"""How far back JOURNAL is read, in messages, steps included; and the last grid of each symbol."""

RETRY_S = 0.5


class Feed:
    """Follows all streams. The first view is shown when every stream was read to its end once."""

    def __init__(self, replica: Replica, bus: Bus, log: Logger) -> None:
        self._replica = replica
        self._bus = bus
        self._log = log

    async def run(self) -> Never:
        """Follow the bus for ever; when a stream was made anew, so is the view.

        Raises: ConnectionClosed, TopologyDiffers: what waiting does not mend.
        """
        while True:
            try:
                await _View(self._replica, self._bus, self._log).follow()
            except* (ConnectionClosed, TopologyDiffers):
                raise
            except* BusError as group:
                self._log.warning("view_lost", detail="; ".join(str(error) for error in group.exceptions))
            await asyncio.sleep(RETRY_S)


class _View:
    """One projection and the readers that feed it."""

    def __init__(self, replica: Replica, bus: Bus, log: Logger) -> None:
        self._replica = replica
        self._metrics = replica.metrics
        self._bus = bus
        self._log = log
        self._projection = Projection()
        self._behind: set[Stream] = set(LOGS)

    async def follow(self) -> None:
        await provision(self._bus)
        self._fall_behind()
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            stack.callback(self._bus.on_reconnect(self._fall_behind))
            includes: list[int] = []
            for stream, filters in LEVELS.items():
                levels = await stack.enter_async_context(LatestValues(self._bus, stream, filters))
                first = levels.take()
                includes += _includes(first)
                self._take(first)
                group.create_task(self._follow_levels(levels), name=f"levels_{stream}")
            for stream in LOGS:
                await self._begin(stream)
            starts = await self._starts(includes)
            for stream, start in starts.items():
                group.create_task(self._follow_log(stream, start), name=f"log_{stream}")

    async def _begin(self, stream: Stream) -> None:
        """Find what is the last of a stream now: where one goes on who heard all that was shown at first."""
        created = await self._bus.stream_created(stream)
        newest = await self._bus.last_per_subject(stream, LOGS[stream])
        self._projection.log.begin(stream, created, max((each.sequence for each in newest), default=0))
        if stream is Stream.JOURNAL:
            for message in newest:
                self._apply(message, is_logged=False)

    async def _starts(self, includes: Sequence[int]) -> dict[Stream, Start]:
        state = await self._bus.stream_state(Stream.ORDERS)
        recent = max(state.last - RECENT_ORDERS, 0)
        after = min([recent, *includes])
        journal = await self._bus.stream_state(Stream.JOURNAL)
        since = FromTime(time.time_ns() - RECENT_NS)
        return {
            Stream.CANDLES: FromStart(),
            Stream.ORDERS: FromSequence(max(after + 1, state.first)),
            Stream.ENGINE: since,
            Stream.CONTROL: since,
            Stream.JOURNAL: FromSequence(max(journal.last - RECENT_GRIDS + 1, journal.first)),
        }

    async def _follow_levels(self, levels: LatestValues) -> None:
        while True:
            await levels.changed()
            self._take(levels.take())

    async def _follow_log(self, stream: Stream, start: Start) -> None:
        async for batch in read(self._bus, stream, LOGS[stream], start):
            self._take(batch.messages)
            if batch.caught_up:
                self._replica.behind.discard(stream)
            if batch.caught_up and stream in self._behind:
                await self._check_created(stream)
                self._behind.remove(stream)
                self._show_when_ready()

    def _fall_behind(self) -> None:
        self._replica.behind = {str(stream) for stream in LOGS}

    async def _check_created(self, stream: Stream) -> None:
        # Between finding its end and reading it, a stream may have been made anew; from here on the reader tells.
        state = await self._bus.stream_state(stream)
        known = self._projection.log.positions[stream]
        if state.created != known.created:
            raise OffsetLost(stream, known.sequence, state.first, state.created)

    def _show_when_ready(self) -> None:
        if not self._behind:
            self._log.info("view_ready", symbols=len(self._projection.names))
            self._replica.show(self._projection)

    def _take(self, messages: Iterable[Received]) -> None:
        began = time.perf_counter()
        outgoing = [told for message in messages for told in self._apply(message)]
        if not self._behind and outgoing:
            self._replica.hub.publish(outgoing, began)

    def _apply(self, message: Received, *, is_logged: bool = True) -> list[Outgoing]:
        try:
            event = decode(message.data)
        except UndecodableError as error:
            self._metrics.undecodable.inc()
            self._log.warning("undecodable", subject=message.subject, detail=str(error))
            self._projection.log.passed(message.stream, message.sequence)
            return []
        if not is_logged:
            return self._projection.apply(event, message.sequence)
        return self._projection.hear(message.stream, message.sequence, message.time_ns, event, message.data)


def _includes(messages: Iterable[Received]) -> list[int]:
    events = (decode(message.data) for message in messages if message.subject.endswith(".orders"))
    return [event.includes for event in events if isinstance(event, OpenOrders)]
