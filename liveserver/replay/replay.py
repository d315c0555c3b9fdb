"""A replay for one viewer: past events of its topics in the order of their storage."""

import asyncio
import datetime
from collections.abc import Sequence
from contextlib import aclosing

from bus import Bus, BusError, FromSequence, Logger, Received
from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.hub.resume import ReplayedMessage
from liveserver.protocol.client_messages import Pause, Play, ReplayCommand, Seek, Stop, parse_time
from liveserver.protocol.cursors import SnapshotReason
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ReplayData, ReplayState
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.replay.clock import ReplayClock
from liveserver.view.history import (
    SUBJECT_PATTERNS,
    StreamSlice,
    kept_from,
    read_merged,
    sequence_at,
    subject_filters,
)
from liveserver.view.projection import Outgoing, Projection, ProtocolFilter
from schemas.codec import UndecodableError, decode
from schemas.subjects import Stream
from schemas.units import MILLISECOND_NS, SECOND_NS, TimeNs

MAX_BATCH = 50
"""Messages rendered at once, which bounds the time that the event loop is blocked."""
STATE_EVERY_S = 1.0
"""Interval of the `replay` message while nothing is due."""
MAX_IDLE_S = 1800.0
"""Time after which a paused or ended replay is stopped."""
RETRY_S = 0.5

WARM_UP_MESSAGES: dict[Stream, int] = {
    Stream.ORDERS: 20_000,
    Stream.ENGINE: 5_000,
    Stream.ALERTS: 1_000,
    Stream.CONTROL: 1_000,
    Stream.JOURNAL: 5_000,
}
"""Sequences before the start that are read to rebuild the state at the start; other streams are read in full."""


class Replay:
    """Replays `span` (start, end) to a viewer until it is stopped; commands may come while it runs."""

    def __init__(
        self,
        hub: Hub,
        bus: Bus,
        log: Logger,
        viewer: Viewer,
        channels: Sequence[Channel],
        span: tuple[TimeNs, TimeNs],
        speed: float | str,
    ) -> None:
        self._hub = hub
        self._bus = bus
        self._log = log
        self._viewer = viewer
        self._channels = tuple(channels)
        self._subscribed = {*channels, *(Channel(channel.market) for channel in channels)}
        self._markets: list[Market] = sorted({channel.market for channel in channels})
        self._start, self._end = span
        self._kept_from: TimeNs = 0
        self._now = asyncio.get_running_loop().time
        self._clock = ReplayClock(self._start, speed, self._now())
        self._seek_to: TimeNs | None = self._start
        """Where to restart from; None while the replay continues."""
        self._sent_to: TimeNs = self._start
        self._is_ended = False
        self._is_stopped = False
        self._changed = asyncio.Event()

    def command(self, command: ReplayCommand) -> None:
        """Apply a command of the viewer.

        Raises: InvalidRequest for an invalid time.
        """
        match command:
            case Pause():
                self._clock.pause(self._now())
            case Play():
                self._clock.play(command.data.speed, self._now())
            case Seek():
                self._seek_to = min(max(parse_time(command.data.to), self._start), self._end)
                self._is_ended = False
            case Stop():
                self._is_stopped = True
        self._changed.set()

    async def run(self) -> None:
        """Play until stopped or idle for `MAX_IDLE_S`, then return the viewer to live data.

        Without data in the range, only the viewer is notified. Returns early if the viewer is gone.
        """
        first, self._kept_from = await kept_from(self._bus, self._markets)
        if first is None or first >= self._end:
            reason = "there is no history" if first is None else f"the history starts at {iso(first)}"
            self._hub.send(self._viewer, replay_rejected(f"no data in this range: {reason}"))
            return
        self._hub.start_replay(self._viewer)
        while not self._is_stopped and self._hub.is_replaying(self._viewer):
            start = self._take_seek()
            try:
                if start is not None:
                    await self._play(start)
                elif not await self._command_within(MAX_IDLE_S):
                    break
            except BusError as error:
                self._log.warning("replay_read_failed", detail=error, retry_in_s=RETRY_S)
                self._seek_to = self._seek_to or self._sent_to
                await asyncio.sleep(RETRY_S)
        self._send_data(ReplayState.STOPPED)
        await self._viewer.wait_writable()
        if self._hub.is_replaying(self._viewer):
            self._hub.reset(self._viewer, SnapshotReason.REPLAY_STOPPED)

    def _take_seek(self) -> TimeNs | None:
        start, self._seek_to = self._seek_to, None
        return start

    async def _play(self, start: TimeNs) -> None:
        self._is_ended = False
        projection = Projection()
        sequences = {stream: await sequence_at(self._bus, stream, start) for stream in SUBJECT_PATTERNS}
        await self._rebuild_state(projection, sequences, start)
        self._sent_to = start
        was_paused = self._clock.is_paused
        self._clock = ReplayClock(start, self._clock.speed, self._now())
        if was_paused:
            self._clock.pause(self._now())
        self._send_state()
        if not await self._send_snapshot(projection, start):
            return
        sources = [
            StreamSlice(
                stream, subject_filters(stream, self._markets), FromSequence(sequence), until=self._end
            )
            for stream, sequence in sequences.items()
        ]
        async with aclosing(read_merged(self._bus, sources)) as batches:
            async for batch in batches:
                for first in range(0, len(batch), MAX_BATCH):
                    if not await self._play_batch(batch[first : first + MAX_BATCH], projection):
                        return
        if await self._wait_until(self._end):
            self._is_ended = True
            self._sent_to = self._end
            self._send_state()

    async def _rebuild_state(
        self, projection: Projection, sequences: dict[Stream, int], start: TimeNs
    ) -> None:
        sources = []
        for stream, sequence in sequences.items():
            state = await self._bus.stream_state(stream)
            first = (
                max(sequence - WARM_UP_MESSAGES[stream], state.first)
                if stream in WARM_UP_MESSAGES
                else state.first
            )
            if first < sequence:
                subjects = subject_filters(stream, self._markets)
                sources.append(
                    StreamSlice(stream, subjects, FromSequence(first), last=sequence - 1, until=start)
                )
        async with aclosing(read_merged(self._bus, sources)) as batches:
            async for batch in batches:
                for first in range(0, len(batch), MAX_BATCH):
                    for message in batch[first : first + MAX_BATCH]:
                        _apply(projection, message)
                    await asyncio.sleep(0)
                if self._is_stopped:
                    return

    async def _send_snapshot(self, projection: Projection, start: TimeNs) -> bool:
        snapshot: list[ReplayedMessage] = []
        for channel in self._channels:
            is_known = channel.market in projection.names
            empty = [Message(MessageType.HISTORY, ())]
            messages = projection.market_snapshot(channel) if is_known else empty
            snapshot += [
                ReplayedMessage(channel, message, "", start // MILLISECOND_NS) for message in messages
            ]
        return await self._viewer.wait_writable() and self._hub.send_replayed(self._viewer, snapshot)

    async def _play_batch(self, messages: Sequence[Received], projection: Projection) -> bool:
        """Send messages when they are due; return False if a command, or a lost viewer, interrupts."""
        pending: list[ReplayedMessage] = []
        for message in messages:
            if pending and self._clock.due_in(message.time_ns, self._now()) != 0.0:
                if not await self._send(pending):
                    return False
                pending = []
            if not await self._wait_until(message.time_ns):
                return False
            pending += self._rendered(projection, message)
            self._sent_to = message.time_ns
            self._clock.advance_to(message.time_ns, self._now())
        return await self._send(pending)

    def _rendered(self, projection: Projection, message: Received) -> list[ReplayedMessage]:
        return [
            ReplayedMessage(each.channel, each.message, each.seq, message.time_ns // MILLISECOND_NS)
            for each in _apply(projection, message)
            if each.protocols is not ProtocolFilter.PLAIN and each.channel in self._subscribed
        ]

    async def _send(self, messages: Sequence[ReplayedMessage]) -> bool:
        if not await self._viewer.wait_writable() or not self._hub.send_replayed(self._viewer, messages):
            return False
        await asyncio.sleep(0)
        return not self._is_stopped and self._seek_to is None

    async def _wait_until(self, time: TimeNs) -> bool:
        """Wait until a time is due; return False if a command interrupts."""
        idle_since = self._now()
        while not self._is_stopped and self._seek_to is None:
            wait_s = self._clock.due_in(time, self._now())
            if wait_s == 0.0:
                return True
            if not await self._command_within(
                STATE_EVERY_S if wait_s is None else min(wait_s, STATE_EVERY_S)
            ):
                if wait_s is not None:
                    idle_since = self._now()
                if self._now() - idle_since > MAX_IDLE_S:
                    self._is_stopped = True
                if wait_s is None or wait_s > STATE_EVERY_S:
                    self._send_state()
        return False

    async def _command_within(self, timeout_s: float) -> bool:
        """Wait for a command; return whether one came."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        if not self._is_stopped:
            self._send_state()
        return True

    def _send_state(self) -> None:
        if self._is_ended:
            self._send_data(ReplayState.ENDED)
        else:
            self._send_data(ReplayState.PAUSED if self._clock.is_paused else ReplayState.PLAYING)

    def _send_data(self, state: ReplayState) -> None:
        at = min(max(self._clock.at(self._now()), self._sent_to), self._end)
        if self._is_ended:
            at = self._end
        elif self._seek_to is not None:
            at = self._seek_to
        data = ReplayData(
            state=state,
            start=self._start / SECOND_NS,
            end=self._end / SECOND_NS,
            at=at / SECOND_NS,
            speed=self._clock.speed,
            kept_from=self._kept_from / SECOND_NS if self._kept_from > self._start else 0.0,
        )
        self._hub.send_replayed(self._viewer, [ReplayedMessage(None, Message(MessageType.REPLAY, data))])


def replay_rejected(reason: str) -> Message:
    """Return the message that a replay cannot start."""
    return Message(MessageType.REPLAY, ReplayData(state=ReplayState.REFUSED, detail=reason))


def iso(time: TimeNs) -> str:
    """Return a time in ISO 8601 to the second, such as `2026-11-21T09:30:00Z`."""
    return datetime.datetime.fromtimestamp(time // SECOND_NS, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _apply(projection: Projection, message: Received) -> list[Outgoing]:
    try:
        event = decode(message.data)
    except UndecodableError:
        return []
    return projection.apply_stored(message.stream, message.sequence, message.time_ns, event, message.data)
