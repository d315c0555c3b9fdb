"""How what has happened is told again: to a viewer that missed it, and to one that watches the past."""

from collections.abc import Sequence
from typing import NamedTuple

from liveserver.hub.group import ProtocolVersion, Viewer
from liveserver.hub.resume import Returning
from liveserver.hub.subscriptions import Frame, Seating
from liveserver.protocol.answers import ResumedData
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.view.event_log import Entry
from liveserver.view.projection import Channel, Projection


class Replayed(NamedTuple):
    """A message of the past."""

    channel: Channel | None
    message: Message
    seq: str = ""
    time_ms: int = 0
    """When the bus stored it."""


def replayed(seating: Seating, viewer: Viewer, told: Replayed) -> Frame:
    """Return the frame of a message of the past."""
    channel, message, seq, time_ms = told
    dialect = seating[viewer].dialect
    return Frame(seating.written(message, dialect, channel, seq, time_ms), message.type)


def missed(
    seating: Seating, viewer: Viewer, projection: Projection, returning: Returning, entries: Sequence[Entry]
) -> list[Frame]:
    """Return the frames of what a viewer missed, and note that it was told."""
    dialect = seating[viewer].dialect
    told: list[Frame] = []
    if not returning.is_told:
        returning.is_told = True
        resumed = Message(MessageType.RESUMED, ResumedData(streams=returning.positions))
        told.append(Frame(seating.written(resumed, dialect), resumed.type))
    returning.took(entries)
    return told + [Frame(_frame(seating, entry, projection, dialect), entry.kind) for entry in entries]


def _frame(seating: Seating, entry: Entry, projection: Projection, dialect: ProtocolVersion) -> bytes:
    frames = entry.frames = entry.frames or {}
    frame = frames.get(dialect)
    if frame is None:
        channel = Channel(entry.market, entry.interval)
        message = entry.message(projection.name(entry.market))
        frame = frames[dialect] = seating.written(message, dialect, channel, entry.seq)
    return frame
