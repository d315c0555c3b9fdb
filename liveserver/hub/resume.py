"""Resume a viewer from its cursors, in batches, and encode missed and replayed messages. No I/O.

A cursor is the sequence up to which a viewer has received a stream.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

from liveserver.protocol.cursors import SnapshotReason, StreamCursor, StreamCursors
from liveserver.protocol.encoding import Encoding, Frame, encode_frame
from liveserver.protocol.pseudonyms import PseudonymFunction
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.session_messages import ResumedData
from liveserver.protocol.symbol_names import Channel
from liveserver.view.event_log import EventLog, StoredEvent
from liveserver.view.projection import Projection

BATCH_SIZE = 200
"""Missed events sent at once."""


class ResetRequired(NamedTuple):
    """Resuming is impossible; the viewer needs a snapshot."""

    reason: SnapshotReason


class EventBatch(NamedTuple):
    """The next missed events to send."""

    events: list[StoredEvent]
    is_last: bool
    """No events are missed after these: the viewer has to become live before another event is applied."""


class WaitFor(Enum):
    """Condition that must hold before a resume can continue."""

    VIEW = auto()
    """The first projection is ready."""
    NEWER_EVENTS = auto()
    """This replica has read the events that the viewer received from another replica."""
    OLDER_EVENTS = auto()
    """Events older than the buffer were read from the bus and sent."""
    WRITABLE = auto()
    """The connection accepts more data."""


class ResumeProgress:
    """The cursors that a resuming viewer has reached."""

    def __init__(self, cursors: StreamCursors) -> None:
        self.cursors = dict(cursors)
        self.is_announced = False
        """Whether the `resumed` message was sent."""

    def next(self, log: EventLog, channels: Collection[Channel]) -> ResetRequired | EventBatch | WaitFor:
        """Return the next batch to send, or what must happen before there is one."""
        if (reason := log.reset_reason(self.cursors)) is not None:
            return ResetRequired(reason)
        if log.is_behind(self.cursors):
            return WaitFor.NEWER_EVENTS
        if log.older_streams(self.cursors):
            return WaitFor.OLDER_EVENTS
        missed = log.events_after(self.cursors, channels)
        return EventBatch(missed[:BATCH_SIZE], is_last=len(missed) <= BATCH_SIZE)

    def mark_sent(self, events: Iterable[StoredEvent]) -> None:
        """Advance the cursors past events that were sent."""
        for event in events:
            self.advance(event.stream, event.sequence)

    def advance(self, stream: str, sequence: int) -> None:
        """Advance the cursor of a stream; it never moves back."""
        cursor = self.cursors[stream]
        if sequence > cursor.sequence:
            self.cursors[stream] = StreamCursor(cursor.created, sequence)


class ReplayedMessage(NamedTuple):
    """A message of a replay."""

    channel: Channel | None
    message: Message
    seq: str = ""
    """`STREAM:sequence`; empty for a message that follows from no stored event."""
    time_ms: int = 0
    """When the bus stored the event, in ms since the epoch."""


def replayed_frame(replayed: ReplayedMessage, encoding: Encoding, pseudonym: PseudonymFunction) -> Frame:
    """Return the frame of a replayed message."""
    channel, message, seq, time_ms = replayed
    return Frame(encode_frame(message, encoding, channel, seq, time_ms, pseudonym), message.type)


def missed_frames(
    progress: ResumeProgress,
    events: Sequence[StoredEvent],
    projection: Projection,
    encoding: Encoding,
    pseudonym: PseudonymFunction,
) -> list[Frame]:
    """Return the frames of missed events and advance the cursors past them; `resumed` precedes the first ones."""
    frames: list[Frame] = []
    if not progress.is_announced:
        progress.is_announced = True
        resumed = Message(MessageType.RESUMED, ResumedData(streams=progress.cursors))
        frames.append(Frame(encode_frame(resumed, encoding, pseudonym=pseudonym), resumed.type))
    progress.mark_sent(events)
    return frames + [
        Frame(_frame(event, projection, encoding, pseudonym), event.message_type) for event in events
    ]


def _frame(
    event: StoredEvent, projection: Projection, encoding: Encoding, pseudonym: PseudonymFunction
) -> bytes:
    frames = event.frames = event.frames or {}
    frame = frames.get(encoding)
    if frame is None:
        message = event.message(projection.name(event.channel.market))
        frame = frames[encoding] = encode_frame(message, encoding, event.channel, event.seq, 0, pseudonym)
    return frame
