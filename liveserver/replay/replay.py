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
from liveserver.replay.past_state import MAX_RENDERED_AT_ONCE, apply, first_moment, rebuild
from liveserver.view.history import (
    SUBJECT_PATTERNS,
    Kept,
    StreamSlice,
    kept,
    read_merged,
    sequence_at,
    subject_filters,
)
from liveserver.view.projection import Projection
from schemas.units import MILLISECOND_NS, SECOND_NS, TimeNs

STATE_EVERY_S = 1.0
"""Longest time between two `replay` messages while it plays."""
TIMER_SLACK_S = 0.001
"""Added to a wait for a full second, so that the clock has passed it."""
MAX_IDLE_S = 1800.0
"""Time after which a paused or ended replay is stopped."""
RETRY_S = 0.5


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
        self._requested_start = self._start
        self._kept = Kept(None, 0, 0)
        self._detail = ""
        """Why the replay begins later than requested."""
        self._now = asyncio.get_running_loop().time
        self._clock = ReplayClock(self._start, speed, self._now())
        self._seek_to: TimeNs | None = self._start
        """Where to restart from; None while the replay continues."""
        self._sent_to: TimeNs = self._start
        self._next: TimeNs | None = None
        """While nothing is due: the time of the next message. All before it was sent."""
        self._state_sent_s = self._now()
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
        self._kept = await kept(self._bus, self._markets)
        first = self._kept.first
        if first is None or first >= self._end:
            reason = "there is no history" if first is None else f"the history starts at {iso(first)}"
            self._hub.send(self._viewer, replay_rejected(f"no data in this range: {reason}"))
            return
        if self._start < first:
            self._begin_at(first)
        self._hub.start_replay(self._viewer)
        self._send_state()
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

    def _begin_at(self, first: TimeNs) -> None:
        """Move the start of the range to where something is kept; `first` is the time of the oldest message."""
        begin = first_moment(self._kept, first)
        self._start = begin if begin < self._end else first
        self._detail = f"nothing is kept before {iso(first)}: the replay begins there"
        self._kept = self._kept._replace(complete_since=max(self._kept.complete_since, self._start))
        self._clock = ReplayClock(self._start, self._clock.speed, self._now())
        self._seek_to = self._sent_to = self._start

    def _take_seek(self) -> TimeNs | None:
        start, self._seek_to = self._seek_to, None
        return start

    def _is_interrupted(self) -> bool:
        """Return whether a command waits that ends what is being played."""
        return self._is_stopped or self._seek_to is not None

    async def _play(self, start: TimeNs) -> None:
        self._is_ended = False
        sequences = {stream: await sequence_at(self._bus, stream, start) for stream in SUBJECT_PATTERNS}
        projection = await rebuild(self._bus, self._markets, sequences, start, self._is_interrupted)
        if projection is None:
            return
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
                for first in range(0, len(batch), MAX_RENDERED_AT_ONCE):
                    if not await self._play_batch(batch[first : first + MAX_RENDERED_AT_ONCE], projection):
                        return
        if await self._wait_until(self._end):
            self._is_ended = True
            self._sent_to = self._end
            self._send_state()

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
            self._clock.advance_to(message.time_ns, self._now())
            self._sent_to = message.time_ns
        return await self._send(pending)

    def _rendered(self, projection: Projection, message: Received) -> list[ReplayedMessage]:
        return [
            ReplayedMessage(each.channel, each.message, each.seq, message.time_ns // MILLISECOND_NS)
            for each in apply(projection, message)
            if each.channel in self._subscribed
        ]

    async def _send(self, messages: Sequence[ReplayedMessage]) -> bool:
        """Send messages, then the state if it is due; return False if a command, or a lost viewer, interrupts."""
        if not await self._viewer.wait_writable() or not self._hub.send_replayed(self._viewer, messages):
            return False
        if self._state_due_in() <= 0:
            self._send_state()
        await asyncio.sleep(0)
        return not self._is_interrupted()

    async def _wait_until(self, time: TimeNs) -> bool:
        """Wait until a time is due; return False if a command interrupts. Everything before it has to be sent."""
        idle_since = self._now()
        while not self._is_interrupted():
            wait_s = self._clock.due_in(time, self._now())
            if wait_s == 0.0:
                return True
            self._next = time
            state_due_s = max(self._state_due_in(), 0.0)
            if not await self._command_within(state_due_s if wait_s is None else min(wait_s, state_due_s)):
                if wait_s is not None:
                    idle_since = self._now()
                if self._now() - idle_since > MAX_IDLE_S:
                    self._is_stopped = True
                if self._state_due_in() <= 0:
                    self._send_state()
            self._next = None
        return False

    def _state_due_in(self) -> float:
        """Return the seconds until the next `replay` message: at most one, and at full seconds of a replay in real time."""
        due_s = self._state_sent_s + STATE_EVERY_S - self._now()
        full_second_s = self._clock.full_second_in(self._state_sent_s, self._now())
        return due_s if full_second_s is None else min(due_s, full_second_s + TIMER_SLACK_S)

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
        complete, grids = self._kept.complete_since, self._kept.first_grid
        data = ReplayData(
            state=state,
            detail=self._detail,
            start=self._start / SECOND_NS,
            end=self._end / SECOND_NS,
            at=self._at() / SECOND_NS,
            speed=self._clock.speed,
            kept_from=complete / SECOND_NS if complete > self._requested_start else 0.0,
            grids_from=grids / SECOND_NS if grids > self._start else 0.0,
        )
        self._state_sent_s = self._now()
        self._hub.send_replayed(self._viewer, [ReplayedMessage(None, Message(MessageType.REPLAY, data))])

    def _at(self) -> TimeNs:
        """Return the time up to which everything was sent: of the last message, while the viewer is behind the clock."""
        if self._is_ended:
            return self._end
        if self._seek_to is not None:
            return self._seek_to
        if self._next is None:
            return self._sent_to
        return min(max(self._clock.at(self._now()), self._sent_to), self._next)


def replay_rejected(reason: str) -> Message:
    """Return the message that a replay cannot start."""
    return Message(MessageType.REPLAY, ReplayData(state=ReplayState.REFUSED, detail=reason))


def iso(time: TimeNs) -> str:
    """Return a time in ISO 8601 to the second, such as `2026-11-21T09:30:00Z`."""
    return datetime.datetime.fromtimestamp(time // SECOND_NS, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
