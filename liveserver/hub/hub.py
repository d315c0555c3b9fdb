"""Delivery to viewers: a snapshot, or the events missed since a cursor, then the live messages. No sockets here.

The states of a viewer and their transitions are in `liveserver.hub.viewers`. Live messages are queued until `flush`,
which runs once per iteration of the event loop: normally one write per viewer, however many messages there are. When
the channels of a viewer change, it receives a snapshot of the added ones.
"""

import asyncio
from collections.abc import Sequence

from liveserver.hub.group import CloseCode, Viewer
from liveserver.hub.resume import (
    EventBatch,
    ReplayedMessage,
    ResetRequired,
    ResumeProgress,
    WaitFor,
    missed_frames,
    replayed_frame,
)
from liveserver.hub.snapshots import Snapshots
from liveserver.hub.subscriptions import NO_CHANNELS, CallSoon, Subscriptions
from liveserver.hub.viewers import ViewerRecord, ViewerState
from liveserver.metrics import Metrics
from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.cursors import DURABLE_STREAMS, SnapshotReason, StreamCursors
from liveserver.protocol.encoding import Encoding, Frame, encode_frame
from liveserver.protocol.pseudonyms import UNKEYED_PSEUDONYM, PseudonymFunction
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ErrorData, StreamsData
from liveserver.protocol.symbol_names import Channel
from liveserver.view.event_log import StoredEvent
from liveserver.view.projection import Outgoing, Projection
from liveserver.view.topics import UnknownTopic, describe_unknown_symbol, resolve


class Hub:
    """All viewers of a server, and the projection that they see. Viewers wait until there is one."""

    def __init__(
        self,
        metrics: Metrics,
        call_soon: CallSoon = lambda flush: None,
        pseudonym: PseudonymFunction = UNKEYED_PSEUDONYM,
    ) -> None:
        self._metrics = metrics
        self.pseudonym = pseudonym
        self._subscriptions = Subscriptions(metrics, call_soon, self.leave, pseudonym)
        self.snapshots = Snapshots(pseudonym)
        self._viewers: dict[Viewer, ViewerRecord] = {}
        self._projection: Projection | None = None
        self._known_revision = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._projection_set = asyncio.Event()
        self._sent_cursors: StreamCursors = {}
        self.backfills: asyncio.Queue[Viewer] = asyncio.Queue()
        """Viewers whose resume cannot be completed at once: a background task has to `advance` them."""

    @property
    def delivered_bytes(self) -> int:
        """The bytes sent to single viewers so far: snapshots, missed events, answers."""
        return self._subscriptions.delivered_bytes

    def __len__(self) -> int:
        return len(self._viewers)

    def join(
        self,
        viewer: Viewer,
        topics: Sequence[RequestedTopic],
        greeting: Sequence[Message] = (),
        encoding: Encoding = Encoding.PLAIN,
        cursors: StreamCursors | None = None,
    ) -> None:
        """Add a viewer and send it a snapshot, or the events after `cursors`; then the greeting.

        What has to wait follows the greeting. An unknown topic disconnects; without topics there are broadcasts only.
        """
        record = self._viewers[viewer] = self._subscriptions.add(viewer, topics, encoding)
        self._count()
        if cursors is None:
            self._attach(record)
        else:
            self._start_resume(record, topics, cursors)
        self._subscriptions.deliver(record, [(None, message) for message in greeting])

    def subscribe(self, viewer: Viewer, topics: Sequence[RequestedTopic]) -> None:
        """Replace a viewer's topics; once there is a projection, an unknown one changes nothing and yields an error."""
        record, projection = self._viewers.get(viewer), self._projection
        if record is None:
            return
        if projection:
            resolved = resolve(projection, topics)
            if isinstance(resolved, UnknownTopic):
                self._send_unknown(record, resolved.topic, projection)
                return
        record.topics = topics
        if record.state in {ViewerState.RESUMING, ViewerState.REPLAYING}:
            record.enter(ViewerState.WAITING)
        self._attach(record, SnapshotReason.SUBSCRIBED)

    def resume(self, viewer: Viewer, topics: Sequence[RequestedTopic], cursors: StreamCursors) -> None:
        """Send a viewer the events of these topics after `cursors`, or a snapshot if that fails; then live messages."""
        record = self._viewers.get(viewer)
        if record is not None:
            self._detach(record)
            if not record.is_gone:
                self._start_resume(record, topics, cursors)

    def advance(self, viewer: Viewer) -> WaitFor | None:
        """Continue a resume as far as possible; return what it waits for, None if nothing is left to do."""
        record, projection = self._viewers.get(viewer), self._projection
        if record is None or record.resume is None:
            return None
        if projection is None:
            return WaitFor.VIEW
        resolved = resolve(projection, record.topics)
        assert not isinstance(resolved, UnknownTopic), "the topics of a resume may be missing"
        channels, record.topics = resolved
        progress = record.resume
        match progress.next(projection.log, channels):
            case ResetRequired(reason):
                self.reset(viewer, reason)
                return None
            case EventBatch(events, is_last=True):
                self._finish_resume(record, progress, events, channels, projection)
                return None
            case EventBatch(events):
                return WaitFor.WRITABLE if self.send_missed(viewer, progress, events) else None
            case wait_for:
                return wait_for

    def send_missed(self, viewer: Viewer, progress: ResumeProgress, events: Sequence[StoredEvent]) -> bool:
        """Send missed events to a viewer; return False if `progress` is not its resume, or the viewer is gone."""
        record, projection = self._viewers.get(viewer), self._projection
        if record is None or record.resume is not progress:
            return False
        assert projection is not None, "missed events come from a projection"
        frames = missed_frames(progress, events, projection, record.encoding, self.pseudonym)
        self._subscriptions.deliver_frames(record, frames)
        return not record.is_gone

    def resume_progress(self, viewer: Viewer) -> ResumeProgress | None:
        """Return the progress of a viewer's resume, None if it is not resuming."""
        record = self._viewers.get(viewer)
        return record.resume if record else None

    def end_backfill(self, viewer: Viewer) -> None:
        """Note that the background task of a viewer's resume has ended."""
        record = self._viewers.get(viewer)
        if record is not None:
            record.is_backfilling = False

    def channels_of(self, viewer: Viewer) -> Sequence[Channel]:
        """Return the channels of a viewer's topics in the present projection, each once."""
        record, projection = self._viewers.get(viewer), self._projection
        resolved = resolve(projection, record.topics) if record and projection else None
        return () if resolved is None or isinstance(resolved, UnknownTopic) else resolved[0]

    def reset(self, viewer: Viewer, reason: SnapshotReason) -> None:
        """End the resume or replay of a viewer: send it a snapshot of its topics, then live messages."""
        record = self._viewers.get(viewer)
        if record is not None:
            if record.state in {ViewerState.RESUMING, ViewerState.REPLAYING}:
                record.enter(ViewerState.WAITING)
            self._attach(record, reason)

    def start_replay(self, viewer: Viewer) -> bool:
        """Stop live messages to a viewer until its `reset` or `resume`; return False if the viewer is gone."""
        record = self._viewers.get(viewer)
        if record is None:
            return False
        self._detach(record)
        if record.is_gone:
            return False
        record.enter(ViewerState.REPLAYING)
        return True

    def is_replaying(self, viewer: Viewer) -> bool:
        record = self._viewers.get(viewer)
        return record is not None and record.state is ViewerState.REPLAYING

    def send_replayed(self, viewer: Viewer, messages: Sequence[ReplayedMessage]) -> bool:
        """Send messages of a replay; return False if the viewer is not replaying, or is gone after that."""
        record = self._viewers.get(viewer)
        if record is None or record.state is not ViewerState.REPLAYING:
            return False
        frames = [replayed_frame(message, record.encoding, self.pseudonym) for message in messages]
        self._subscriptions.deliver_frames(record, frames)
        return self.is_replaying(viewer)

    def send(self, viewer: Viewer, message: Message) -> None:
        """Send one viewer a message that concerns no market."""
        record = self._viewers.get(viewer)
        if record is not None:
            self._subscriptions.deliver(record, [(None, message)])

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer, if it is known."""
        record = self._viewers.pop(viewer, None)
        if record is not None:
            record.enter(ViewerState.GONE)
            self._subscriptions.remove(record)
        self._count()

    def set_projection(self, projection: Projection) -> None:
        """Replace the projection: `opensqt.v2` viewers resume in it, plain viewers receive a new snapshot."""
        self.flush()
        self.snapshots.clear()
        before, self._projection = self._projection, projection
        for record in self._records():
            if record.state is ViewerState.LIVE:
                assert before is not None, "live viewers have seen a projection"
                self._subscriptions.move(record, NO_CHANNELS)
                if record.encoding.is_v2:
                    record.enter(ViewerState.RESUMING, ResumeProgress(before.log.cursors))
                else:
                    record.enter(ViewerState.WAITING)
        self._projection_set.set()
        self._attach_all()
        for record in self._records():
            if record.state is ViewerState.RESUMING:
                self._continue_resume(record)

    async def wait_projection(self) -> None:
        """Wait until there is a projection."""
        await self._projection_set.wait()

    def publish(self, outgoing: Sequence[Outgoing], received_at_s: float | None = None) -> None:
        """Queue each message for the live viewers of its channel; `received_at_s` as in `Subscriptions.publish`."""
        self.snapshots.discard(outgoing)
        self._subscriptions.publish(outgoing, received_at_s)
        if self._projection is not None and self._projection.revision != self._known_revision:
            self._attach_all()

    def flush(self) -> None:
        """Send the queued messages."""
        self._subscriptions.flush()

    def broadcast(self, message: Message) -> None:
        """Queue a message for all viewers, in any state."""
        self._subscriptions.put(self._subscriptions.groups(), message)

    def broadcast_cursors(self) -> None:
        """Queue the cursors of the projection for all live `opensqt.v2` viewers, if they have changed."""
        cursors = self._projection.log.cursors if self._projection else {}
        if cursors != self._sent_cursors:
            self._sent_cursors = cursors
            message = Message(MessageType.STREAMS, StreamsData(streams=cursors))
            groups = [group for group in self._subscriptions.groups() if group.receives_cursors]
            self._subscriptions.put(groups, message)

    def close_all(self, code: CloseCode, reason: str) -> None:
        self.flush()
        for record in self._records():
            record.viewer.close(code, reason)

    async def wait_empty(self) -> None:
        """Wait until no viewer is connected."""
        await self._empty.wait()

    def _records(self) -> list[ViewerRecord]:
        return list(self._viewers.values())

    def _start_resume(
        self, record: ViewerRecord, topics: Sequence[RequestedTopic], cursors: StreamCursors
    ) -> None:
        # The topics were known when the cursors were issued; one that is missing now may come back.
        record.topics = [topic._replace(may_be_missing=True) for topic in topics]
        durable = {stream: cursor for stream, cursor in cursors.items() if stream in DURABLE_STREAMS}
        record.enter(ViewerState.RESUMING, ResumeProgress(durable))
        self._continue_resume(record)

    def _continue_resume(self, record: ViewerRecord) -> None:
        is_stuck = record.viewer.is_blocked or self.advance(record.viewer) is not None
        # A running background task continues with whatever is the resume now.
        if is_stuck and not record.is_backfilling:
            record.is_backfilling = True
            self.backfills.put_nowait(record.viewer)

    def _finish_resume(
        self,
        record: ViewerRecord,
        progress: ResumeProgress,
        events: Sequence[StoredEvent],
        channels: Sequence[Channel],
        projection: Projection,
    ) -> None:
        self._subscriptions.send(record.group)
        if record.is_gone:
            return
        frames = missed_frames(progress, events, projection, record.encoding, self.pseudonym)
        self._enter_group(record, channels)
        after: list[tuple[Channel | None, Message]] = [
            *((channel, state) for channel in channels for state in projection.state_messages(channel)),
            (None, Message(MessageType.SYMBOLS, projection.summary())),
            (None, Message(MessageType.STREAMS, StreamsData(streams=projection.log.cursors))),
        ]
        frames += [
            Frame(encode_frame(message, record.encoding, channel, pseudonym=self.pseudonym), message.type)
            for channel, message in after
        ]
        # In one write: after a first one the connection could be blocked, and the rest would have to fit the backlog.
        self._subscriptions.deliver_frames(record, frames)

    def _attach_all(self) -> None:
        self._known_revision = self._projection.revision if self._projection is not None else 0
        for record in self._records():
            self._attach(record)

    def _attach(self, record: ViewerRecord, reason: SnapshotReason | None = None) -> None:
        """Make a waiting or live viewer live on the channels of its topics; remove it if a topic is unknown."""
        projection = self._projection
        if not projection or record.state not in {ViewerState.WAITING, ViewerState.LIVE}:
            return
        resolved = resolve(projection, record.topics)
        if isinstance(resolved, UnknownTopic):
            self._send_unknown(record, resolved.topic, projection)
            record.viewer.close(CloseCode.UNKNOWN_SYMBOL, f"unknown symbol: {resolved.topic.symbol}")
            self.leave(record.viewer)
            return
        channels, record.topics = resolved
        before = record.group.channels
        if before == frozenset(channels):
            return
        # Queued messages are part of the snapshot.
        self._subscriptions.send(record.group)
        if record.is_gone:
            return
        self._enter_group(record, channels)
        added = [channel for channel in channels if channel not in before]
        if added and reason is None:
            reason = SnapshotReason.NEW_SYMBOL if before else SnapshotReason.FIRST
        frames = self.snapshots.frames(projection, added, record.encoding, reason)
        self._subscriptions.deliver_snapshot(record, frames)

    def _enter_group(self, record: ViewerRecord, channels: Sequence[Channel]) -> None:
        self._subscriptions.move(record, frozenset(channels))
        if not record.is_gone:
            record.enter(ViewerState.LIVE if channels else ViewerState.WAITING)

    def _detach(self, record: ViewerRecord) -> None:
        self._subscriptions.send(record.group)
        if not record.is_gone:
            self._subscriptions.move(record, NO_CHANNELS)

    def _send_unknown(self, record: ViewerRecord, topic: RequestedTopic, projection: Projection) -> None:
        known = tuple(projection.names.values())
        error = describe_unknown_symbol(projection, topic.symbol, topic.venue)
        message = Message(MessageType.ERROR, ErrorData(error=error, known=known))
        self._subscriptions.deliver(record, [(None, message)])

    def _count(self) -> None:
        self._metrics.connected_clients.set(len(self))
        if len(self):
            self._empty.clear()
        else:
            self._empty.set()
