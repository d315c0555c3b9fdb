"""Continue resumes that cannot be completed at once: events older than the buffer, or newer than this replica."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing
from typing import Never

from bus import Bus, BusError, FromSequence, Logger, OffsetLost, Received, pending
from bus.streams.topology import STREAMS
from liveserver.hub.background import BackgroundTasks
from liveserver.hub.group import Viewer
from liveserver.hub.replica import Replica
from liveserver.hub.resume import BATCH_SIZE, ResumeProgress, WaitFor
from liveserver.protocol.cursors import SnapshotReason
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.event_log import StoredEvent, channel_of, with_market_channels
from liveserver.view.history import StreamSlice, read_merged, subject_filters
from schemas.codec import UndecodableError, decode
from schemas.subjects import Stream

MAX_MESSAGES = 50_000
"""Messages of one read from the bus for a viewer; one that has missed more gets a snapshot."""
MAX_READ_S = 60.0
"""Duration of one read, without the wait for a free reader; after that the viewer gets a snapshot."""
MAX_FILTERED_MARKETS = 20
"""Above this number, the messages of all markets are read and filtered here."""
MAX_READERS = 8
"""Concurrent reads; further viewers wait."""
MAX_BEHIND_S = 10.0
"""Time a viewer waits for this replica to read events that the viewer has already received; then a snapshot."""
RETRY_S = 0.5
"""Delay before another attempt without a bus, without a projection, or after a failed read."""

_MAX_PER_SUBJECT = {stream.name: stream.max_messages_per_subject for stream in STREAMS}
"""Retention limit of each stream in messages per subject; negative for retention by age."""


class Backfill:
    """Runs a background task for each viewer whose resume has to wait."""

    def __init__(self, replica: Replica, background: BackgroundTasks, log: Logger) -> None:
        self._replica = replica
        self._hub = replica.hub
        self._background = background
        self._log = log
        self._readers = asyncio.Semaphore(MAX_READERS)

    async def run(self) -> Never:
        """Start a task for each viewer in `hub.backfills`; never returns."""
        while True:
            viewer = await self._hub.backfills.get()
            self._background.start(viewer, self._complete_resume(viewer), name="backfill")

    async def _complete_resume(self, viewer: Viewer) -> None:
        try:
            while await viewer.wait_writable() and (wait_for := self._hub.advance(viewer)) is not None:
                await self._wait(wait_for, viewer)
                await asyncio.sleep(0)
        finally:
            self._hub.end_backfill(viewer)

    async def _wait(self, wait_for: WaitFor, viewer: Viewer) -> None:
        progress = self._hub.resume_progress(viewer)
        match wait_for:
            case WaitFor.VIEW:
                await self._hub.wait_projection()
            case WaitFor.NEWER_EVENTS if progress is not None:
                await self._wait_for_newer(viewer, progress)
            case WaitFor.OLDER_EVENTS if progress is not None:
                await self._send_older(viewer, progress)

    async def _wait_for_newer(self, viewer: Viewer, progress: ResumeProgress) -> None:
        bus, projection = self._bus, self._replica.projection
        if bus is None or projection is None:
            await asyncio.sleep(RETRY_S)
            return
        reconnects = bus.reconnects if bus.is_connected else None
        if await self._is_unknown(bus, progress):
            self._reset(viewer, progress, SnapshotReason.NOT_KNOWN)
            return
        try:
            async with asyncio.timeout(MAX_BEHIND_S):
                while projection.log.is_behind(progress.cursors):
                    await projection.log.wait_advanced()
        except TimeoutError:
            # While the bus was disconnected, or with a replaced projection, the time-out proves nothing.
            if bus.reconnects == reconnects and self._replica.projection is projection:
                self._reset(viewer, progress, SnapshotReason.NOT_KNOWN)

    async def _is_unknown(self, bus: Bus, progress: ResumeProgress) -> bool:
        """Return whether a cursor is beyond the end of its stream."""
        try:
            for stream, cursor in progress.cursors.items():
                if (await bus.stream_state(stream)).last < cursor.sequence:
                    return True
        except BusError as error:
            self._log.warning("cursor_check_failed", detail=error)
        return False

    async def _send_older(self, viewer: Viewer, progress: ResumeProgress) -> None:
        async with self._readers:
            try:
                async with asyncio.timeout(MAX_READ_S):
                    await self._read(viewer, progress)
            except TimeoutError:
                self._reset(viewer, progress, SnapshotReason.TOO_OLD)

    async def _read(self, viewer: Viewer, progress: ResumeProgress) -> None:
        """Send the missed events up to the start of the buffers, read from the bus."""
        bus, projection = self._bus, self._replica.projection
        if bus is None or projection is None or self._hub.resume_progress(viewer) is not progress:
            await asyncio.sleep(RETRY_S)
            return
        streams = projection.log.older_streams(progress.cursors)
        ends = {stream: projection.log.buffers[stream].start_after for stream in streams}
        channels = self._hub.channels_of(viewer)
        wanted = with_market_channels(channels)
        try:
            slices = await self._slices(bus, progress, ends, {channel.market for channel in channels})
            if slices is None:
                self._reset(viewer, progress, SnapshotReason.TOO_OLD)
                return
            async with aclosing(read_merged(bus, slices)) as batches:
                async for batch in batches:
                    for start in range(0, len(batch), BATCH_SIZE):
                        events = _events(batch[start : start + BATCH_SIZE], wanted)
                        if not await viewer.wait_writable() or not self._hub.send_missed(
                            viewer, progress, events
                        ):
                            return
                        await asyncio.sleep(0)
        except OffsetLost as error:
            self._log.info("backfill_messages_lost", detail=error)
            self._reset(viewer, progress, SnapshotReason.TOO_OLD)
        except BusError as error:
            self._log.warning("backfill_read_failed", detail=error, retry_s=RETRY_S)
            await asyncio.sleep(RETRY_S)
        else:
            for stream, end in ends.items():
                progress.advance(stream, end)

    async def _slices(
        self, bus: Bus, progress: ResumeProgress, ends: dict[str, int], markets: set[Market]
    ) -> list[StreamSlice] | None:
        """Return the ranges to read; None if they are too large, partly discarded, or of a recreated stream."""
        if not markets:
            return []
        filtered = sorted(markets) if len(markets) <= MAX_FILTERED_MARKETS else None
        slices: list[StreamSlice] = []
        total = 0
        for stream, end in ends.items():
            after = progress.cursors[stream].sequence
            state = await bus.stream_state(stream)
            max_per_subject = _MAX_PER_SUBJECT[stream]
            if state.created != progress.cursors[stream].created:
                return None
            # A stream with a limit per subject has discarded nothing while a subject is below that limit.
            is_by_age = max_per_subject < 0
            if is_by_age and state.first > after + 1:
                return None
            start = FromSequence(max(after + 1, state.first))
            subjects = subject_filters(Stream(stream), filtered, self._replica.symbols_served)
            count = await pending(bus, stream, subjects, start)
            total += count
            if total > MAX_MESSAGES or (not is_by_age and count >= max_per_subject):
                return None
            slices.append(StreamSlice(stream, subjects, start, last=end))
        return slices

    def _reset(self, viewer: Viewer, progress: ResumeProgress, reason: SnapshotReason) -> None:
        if self._hub.resume_progress(viewer) is progress:
            self._hub.reset(viewer, reason)

    @property
    def _bus(self) -> Bus | None:
        return self._replica.service.bus if self._replica.service else None


def _events(batch: Sequence[Received], wanted: Collection[Channel]) -> list[StoredEvent]:
    events = (stored_event(message) for message in batch)
    return [event for event in events if event is not None and event.channel in wanted]


def stored_event(message: Received) -> StoredEvent | None:
    """Return the durable event of a stored message, None if it is undecodable or not sent to viewers."""
    try:
        event = decode(message.data)
    except UndecodableError:
        return None
    channel = channel_of(event)
    if channel is None:
        return None
    return StoredEvent(message.stream, message.sequence, message.time_ns, event, message.data, channel)
