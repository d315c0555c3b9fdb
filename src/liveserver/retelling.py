"""How what has happened is told again: to a viewer that missed it, and to one that watches the past."""

from collections.abc import Sequence
from typing import NamedTuple

from liveserver.answers import ResumedData
from liveserver.audience import Dialect, written
from liveserver.messages import Message, MessageType
from liveserver.projection import Channel, Projection
from liveserver.returning import Returning
from liveserver.ring import Entry
from liveserver.seating import Frame


class Replayed(NamedTuple):
    """A message of the past."""

    channel: Channel | None
    message: Message
    seq: str = ""
    time_ms: int = 0
    """When the bus stored it."""


def replayed(told: Replayed) -> Frame:
    """Return the frame of a message of the past."""
    channel, message, seq, time_ms = told
    return Frame(written(message, Dialect.V2, channel, seq, time_ms), message.type)


def missed(
    projection: Projection, dialect: Dialect, returning: Returning, entries: Sequence[Entry]
) -> list[Frame]:
    """Return the frames of what a viewer missed, and note that it was told."""
    told: list[Frame] = []
    if not returning.is_told:
        returning.is_told = True
        resumed = Message(MessageType.RESUMED, ResumedData(streams=returning.positions))
        told.append(Frame(written(resumed, dialect), resumed.type))
    returning.took(entries)
    return told + [Frame(_frame(entry, projection, dialect), entry.kind) for entry in entries]


def _frame(entry: Entry, projection: Projection, dialect: Dialect) -> bytes:
    frame = entry.frames.get(dialect)
    if frame is None:
        channel = Channel(entry.market, entry.interval)
        message = entry.message(projection.name(entry.market))
        frame = entry.frames[dialect] = written(message, dialect, channel, entry.seq)
    return frame
