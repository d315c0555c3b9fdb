"""Brings viewers back that cannot be seated at once: they missed more than is kept here, or know more than we do."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing

from bus import Bus, BusError, FromSequence, Logger, OffsetLost, Received, pending
from bus.streams.topology import STREAMS
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.group import Viewer
from liveserver.hub.replica import Replica
from liveserver.hub.resume import PIECE, Returning, Wait
from liveserver.protocol.cursors import Reason
from liveserver.protocol.symbol_names import Market
from liveserver.view.durable import about
from liveserver.view.event_log import Entry
from liveserver.view.history import Source, filters, merged
from schemas.codec import UndecodableError, decode
from schemas.subjects import Stream

READ_LIMIT = 50_000
"""Messages that are read again for one viewer."""
READ_S = 60.0
"""How long that may take."""
FEW_MARKETS = 20
"""Of more, everything is read, and what is not wanted left out."""
READERS = 8
"""Viewers for whom the bus is read at a time; others wait for their turn."""
BEHIND_S = 10.0
"""How long a viewer waits for us to hear what it has heard."""
RETRY_S = 0.5

_KEPT_PER_SUBJECT = {stream.name: stream.max_messages_per_subject for stream in STREAMS}


class CatchUp:
    """Fetches for the hub what returning viewers need."""

    def __init__(self, replica: Replica, errands: BackgroundTasks, log: Logger) -> None:
        self._replica = replica
        self._hub = replica.hub
        self._errands = errands
        self._log = log
        self._turn = asyncio.Semaphore(READERS)
        self._busy: set[Viewer] = set()

    def fetch(self, viewer: Viewer) -> None:
        """See to it that a viewer returns."""
        # Who is brought back already goes on with whatever it asks for now.
        if viewer not in self._busy:
            self._busy.add(viewer)
            self._errands.send(viewer, self._bring_back(viewer), name="catch_up")

    async def _bring_back(self, viewer: Viewer) -> None:
        try:
            while await viewer.room() and (wait := self._hub.advance(viewer)) is not None:
                await self._wait_for(wait, viewer)
                await asyncio.sleep(0)
        finally:
            self._busy.discard(viewer)

    async def _wait_for(self, wait: Wait, viewer: Viewer) -> None:
        returning = self._hub.returning(viewer)
        match wait:
            case Wait.VIEW:
                await self._hub.shown()
            case Wait.BEHIND if returning is not None:
                await self._wait_for_news(viewer, returning)
            case Wait.OLDER if returning is not None:
                await self._read_in_turn(viewer, returning)

    async def _wait_for_news(self, viewer: Viewer, returning: Returning) -> None:
        bus, projection = self._bus, self._replica.projection
        if bus is None or projection is None:
            await asyncio.sleep(RETRY_S)
            return
        reconnects = bus.reconnects if bus.is_connected else None
        if await self._is_from_nowhere(bus, returning):
            self._start_anew(viewer, returning, Reason.NOT_KNOWN)
            return
        try:
            async with asyncio.timeout(BEHIND_S):
                while projection.log.is_behind(returning.positions):
                    await projection.log.grown()
        except TimeoutError:
            # Without the bus, or with a view that is no longer shown, no time is late.
            if bus.reconnects == reconnects and self._replica.projection is projection:
                self._start_anew(viewer, returning, Reason.NOT_KNOWN)

    async def _is_from_nowhere(self, bus: Bus, returning: Returning) -> bool:
        try:
            for stream, position in returning.positions.items():
                if (await bus.stream_state(stream)).last < position.sequence:
                    return True
        except BusError as error:
            self._log.warning("position_not_checked", detail=error)
        return False

    async def _read_in_turn(self, viewer: Viewer, returning: Returning) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(READ_S):
                    await self._read(viewer, returning)
            except TimeoutError:
                self._start_anew(viewer, returning, Reason.TOO_OLD)

    async def _read(self, viewer: Viewer, returning: Returning) -> None:
        """Hand over what the bus has up to where our own memory begins."""
        bus, projection = self._bus, self._replica.projection
        if bus is None or projection is None or self._hub.returning(viewer) is not returning:
            await asyncio.sleep(RETRY_S)
            return
        streams = projection.log.too_old(returning.positions)
        ends = {stream: projection.log.rings[stream].after for stream in streams}
        topics = self._hub.topics_of(viewer)
        heard = {*topics, *((market, "") for market, _ in topics)}
        try:
            sources = await self._sources(bus, returning, ends, {market for market, _ in topics})
            if sources is None:
                self._start_anew(viewer, returning, Reason.TOO_OLD)
                return
            async with aclosing(merged(bus, sources)) as batches:
                async for batch in batches:
                    for start in range(0, len(batch), PIECE):
                        entries = _entries(batch[start : start + PIECE], heard)
                        if not await viewer.room() or not self._hub.hand(viewer, returning, entries):
                            return
                        await asyncio.sleep(0)
        except OffsetLost as error:
            self._log.info("resume_lost", detail=error)
            self._start_anew(viewer, returning, Reason.TOO_OLD)
        except BusError as error:
            self._log.warning("resume_not_read", detail=error, do="trying again")
            await asyncio.sleep(RETRY_S)
        else:
            for stream, end in ends.items():
                returning.passed(stream, end)

    async def _sources(
        self, bus: Bus, returning: Returning, ends: dict[str, int], markets: set[Market]
    ) -> list[Source] | None:
        """Return what to read; None when it is too much, or no longer all there."""
        if not markets:
            return []
        chosen = sorted(markets) if len(markets) <= FEW_MARKETS else None
        sources: list[Source] = []
        total = 0
        for stream, end in ends.items():
            after = returning.positions[stream].sequence
            state = await bus.stream_state(stream)
            per_subject = _KEPT_PER_SUBJECT[stream]
            if state.created != returning.positions[stream].created:
                return None
            # Of what is kept by number a subject, nothing is gone as long as there is less than that number.
            is_by_age = per_subject < 0
            if is_by_age and state.first > after + 1:
                return None
            start = FromSequence(max(after + 1, state.first))
            wanted = filters(Stream(stream), chosen)
            count = await pending(bus, stream, wanted, start)
            total += count
            if total > READ_LIMIT or (not is_by_age and count >= per_subject):
                return None
            sources.append(Source(stream, wanted, start, last=end))
        return sources

    def _start_anew(self, viewer: Viewer, returning: Returning, reason: Reason) -> None:
        if self._hub.returning(viewer) is returning:
            self._hub.start_anew(viewer, reason)

    @property
    def _bus(self) -> Bus | None:
        return self._replica.part.bus if self._replica.part else None


def _entries(batch: Sequence[Received], heard: Collection[tuple[Market, str]]) -> list[Entry]:
    entries = [entry for message in batch if (entry := entry_of(message)) is not None]
    return [entry for entry in entries if (entry.market, entry.interval) in heard]


def entry_of(message: Received) -> Entry | None:
    """Return the durable event of a stored message, None when viewers are not told of it."""
    try:
        event = decode(message.data)
    except UndecodableError:
        return None
    if about(event) is None:
        return None
    return Entry(message.stream, message.sequence, message.time_ns, event, message.data)
