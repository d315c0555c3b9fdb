"""One viewer's replay: the past of its topics as it was, in the order in which the bus stored it."""

import asyncio
import datetime
from collections.abc import Sequence
from contextlib import aclosing

from bus import Bus, BusError, FromSequence, Logger, Received
from liveserver.hub.group import Viewer
from liveserver.hub.hub import Hub
from liveserver.hub.retelling import Replayed
from liveserver.protocol.answers import ReplayData, ReplayState
from liveserver.protocol.client_messages import Pause, Play, ReplayCommand, Seek, Stop, time_of
from liveserver.protocol.cursors import Reason
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.symbol_names import Market
from liveserver.replay.clock import Pace
from liveserver.view.history import DETAILS, Source, filters, kept_from, merged, sequence_at
from liveserver.view.projection import Channel, Outgoing, Projection, Reach
from schemas.codec import UndecodableError, decode
from schemas.subjects import Stream
from schemas.units import MILLISECOND_NS, SECOND_NS, TimeNs

PIECE = 50
"""Messages that are made at once: others wait no longer than that takes."""
TELL_EVERY_S = 1.0
IDLE_S = 1800.0
"""So long a replay may stand still."""
RETRY_S = 0.5

BEFORE: dict[Stream, int] = {
    Stream.ORDERS: 20_000,
    Stream.ENGINE: 5_000,
    Stream.CONTROL: 1_000,
    Stream.JOURNAL: 5_000,
}
"""So many messages before the beginning are read to know how things stood then; of candles, all."""


class Showing:
    """Shows `start` to `end` to a viewer until it is stopped. Commands come while it runs."""

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
        self._heard = {*channels, *(Channel(channel.market) for channel in channels)}
        self._markets: list[Market] = sorted({channel.market for channel in channels})
        self._start, self._end = span
        self._kept_from: TimeNs = 0
        self._clock = asyncio.get_running_loop().time
        self._pace = Pace(self._start, speed, self._clock())
        self._from: TimeNs | None = self._start
        """Where to begin anew; None while it goes on."""
        self._shown_to: TimeNs = self._start
        self._is_ended = False
        self._is_stopped = False
        self._changed = asyncio.Event()

    def command(self, said: ReplayCommand) -> None:
        """Do what the viewer asks for.

        Raises: NotUnderstood.
        """
        match said:
            case Pause():
                self._pace.pause(self._clock())
            case Play():
                self._pace.play(said.data.speed, self._clock())
            case Seek():
                # Beyond its end there is nothing, and before its beginning it was not asked for.
                self._from = min(max(time_of(said.data.to), self._start), self._end)
                self._is_ended = False
            case Stop():
                self._is_stopped = True
        self._changed.set()

    async def run(self) -> None:
        """Show it; return when the viewer is back in the present, or gone."""
        first, self._kept_from = await kept_from(self._bus, self._markets)
        if first is None or first >= self._end:
            there_is = (
                "nothing is kept at all" if first is None else f"there is something from {iso(first)} on"
            )
            self._hub.tell(self._viewer, refusal(f"nothing is kept of that time: {there_is}"))
            return
        self._hub.go_away(self._viewer)
        while not self._is_stopped and self._hub.is_away(self._viewer):
            begin = self._sought()
            try:
                if begin is not None:
                    await self._play(begin)
                elif not await self._heard_within(IDLE_S):
                    break
            except BusError as error:
                self._log.warning("replay_not_read", detail=error, do="trying again")
                self._from = self._from or self._shown_to
                await asyncio.sleep(RETRY_S)
        self._tell(ReplayState.STOPPED)
        await self._viewer.room()
        if self._hub.is_away(self._viewer):
            self._hub.start_anew(self._viewer, Reason.REPLAY_STOPPED)

    def _sought(self) -> TimeNs | None:
        begin, self._from = self._from, None
        return begin

    async def _play(self, begin: TimeNs) -> None:
        self._is_ended = False
        projection = Projection()
        starts = {stream: await sequence_at(self._bus, stream, begin) for stream in DETAILS}
        await self._look_back(projection, starts, begin)
        self._shown_to = begin
        was_paused = self._pace.is_paused
        self._pace = Pace(begin, self._pace.speed, self._clock())
        if was_paused:
            self._pace.pause(self._clock())
        self._tell_state()
        if not await self._send_snapshot(projection, begin):
            return
        sources = [
            Source(stream, filters(stream, self._markets), FromSequence(start), until=self._end)
            for stream, start in starts.items()
        ]
        async with aclosing(merged(self._bus, sources)) as batches:
            async for batch in batches:
                for first in range(0, len(batch), PIECE):
                    if not await self._show(batch[first : first + PIECE], projection):
                        return
        if await self._wait_until(self._end):
            self._is_ended = True
            self._shown_to = self._end
            self._tell_state()

    async def _look_back(self, projection: Projection, starts: dict[Stream, int], begin: TimeNs) -> None:
        sources = []
        for stream, start in starts.items():
            state = await self._bus.stream_state(stream)
            far = max(start - BEFORE[stream], state.first) if stream in BEFORE else state.first
            if far < start:
                wanted = filters(stream, self._markets)
                sources.append(Source(stream, wanted, FromSequence(far), last=start - 1, until=begin))
        async with aclosing(merged(self._bus, sources)) as batches:
            async for batch in batches:
                for first in range(0, len(batch), PIECE):
                    for message in batch[first : first + PIECE]:
                        _hear(projection, message)
                    await asyncio.sleep(0)
                if self._is_stopped:
                    return

    async def _send_snapshot(self, projection: Projection, begin: TimeNs) -> bool:
        told: list[Replayed] = []
        for channel in self._channels:
            is_known = channel.market in projection.names
            empty = [Message(MessageType.HISTORY, ())]
            messages = projection.of_market(channel) if is_known else empty
            told += [Replayed(channel, message, "", begin // MILLISECOND_NS) for message in messages]
        return await self._viewer.room() and self._hub.send_past(self._viewer, told)

    async def _show(self, messages: Sequence[Received], projection: Projection) -> bool:
        """Show messages when they are due; False when something else is to be done first."""
        waiting: list[Replayed] = []
        for message in messages:
            if waiting and self._pace.due_in(message.time_ns, self._clock()) != 0.0:
                if not await self._send(waiting):
                    return False
                waiting = []
            if not await self._wait_until(message.time_ns):
                return False
            waiting += self._told(projection, message)
            self._shown_to = message.time_ns
            self._pace.reached(message.time_ns, self._clock())
        return await self._send(waiting)

    def _told(self, projection: Projection, message: Received) -> list[Replayed]:
        return [
            Replayed(each.channel, each.message, each.seq, message.time_ns // MILLISECOND_NS)
            for each in _hear(projection, message)
            if each.reach is not Reach.PLAIN and each.channel in self._heard
        ]

    async def _send(self, told: Sequence[Replayed]) -> bool:
        if not await self._viewer.room() or not self._hub.send_past(self._viewer, told):
            return False
        await asyncio.sleep(0)
        return not self._is_stopped and self._from is None

    async def _wait_until(self, time: TimeNs) -> bool:
        """Wait until something is due; False when something else is to be done first."""
        idle_since = self._clock()
        while not self._is_stopped and self._from is None:
            wait = self._pace.due_in(time, self._clock())
            if wait == 0.0:
                return True
            if not await self._heard_within(TELL_EVERY_S if wait is None else min(wait, TELL_EVERY_S)):
                if wait is not None:
                    idle_since = self._clock()
                if self._clock() - idle_since > IDLE_S:
                    self._is_stopped = True
                if wait is None or wait > TELL_EVERY_S:
                    self._tell_state()
        return False

    async def _heard_within(self, seconds: float) -> bool:
        """Wait for a command; tell whether one came."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        if not self._is_stopped:
            self._tell_state()
        return True

    def _tell_state(self) -> None:
        if self._is_ended:
            self._tell(ReplayState.ENDED)
        else:
            self._tell(ReplayState.PAUSED if self._pace.is_paused else ReplayState.PLAYING)

    def _tell(self, state: ReplayState) -> None:
        at = min(max(self._pace.at(self._clock()), self._shown_to), self._end)
        if self._is_ended:
            at = self._end
        elif self._from is not None:
            at = self._from
        data = ReplayData(
            state=state,
            start=self._start / SECOND_NS,
            end=self._end / SECOND_NS,
            at=at / SECOND_NS,
            speed=self._pace.speed,
            kept_from=self._kept_from / SECOND_NS if self._kept_from > self._start else 0.0,
        )
        self._hub.send_past(self._viewer, [Replayed(None, Message(MessageType.REPLAY, data))])


def refusal(why: str) -> Message:
    """Return the message that a replay does not begin."""
    return Message(MessageType.REPLAY, ReplayData(state=ReplayState.REFUSED, detail=why))


def iso(time: TimeNs) -> str:
    """Return a time as people write it, to the second."""
    return datetime.datetime.fromtimestamp(time // SECOND_NS, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hear(projection: Projection, message: Received) -> list[Outgoing]:
    try:
        event = decode(message.data)
    except UndecodableError:
        return []
    return projection.hear(message.stream, message.sequence, message.time_ns, event, message.data)
