"""Stream cursors: up to which sequence a viewer has received each durable stream. Reasons for a snapshot."""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import parse_qs

import msgspec

from schemas.subjects import Stream

DURABLE_STREAMS = (
    Stream.CANDLES,
    Stream.ORDERS,
    Stream.ENGINE,
    Stream.ALERTS,
    Stream.CONTROL,
    Stream.JOURNAL,
)
"""Streams whose events an `opensqt.v2` viewer of their market receives once each and in order.

A snapshot ends that sequence and starts another.
"""

MAX_SEQUENCE_DIGITS = 19


class StreamCursor(msgspec.Struct, frozen=True):
    """All events of the viewer's topics up to this sequence of a stream were received."""

    created: str
    """Creation time of the stream, as the server writes it: a recreated stream counts from 1 again."""
    sequence: int
    """The sequence of the last message that was received."""


StreamCursors = Mapping[str, StreamCursor]
"""By stream name."""


class SnapshotReason(StrEnum):
    """Reason for a snapshot."""

    FIRST = "first"
    SUBSCRIBED = "subscribed"
    NEW_SYMBOL = "new_symbol"
    TOO_OLD = "too_old"
    """More events were missed than are retained, or than are read again for one viewer in the time allowed."""
    STREAM_RECREATED = "stream_recreated"
    NOT_KNOWN = "not_known"
    """A cursor is missing, malformed or beyond the end of its stream, or no stream has been read yet."""
    REPLAY_STOPPED = "replay_stopped"


def parse_cursors(query: str) -> dict[str, StreamCursor] | None:
    """Return the cursors in a handshake's query, None without a `resume` parameter.

    Format: `resume=STREAM:sequence:created`, once a stream; for example `resume=ORDERS:12:2026-11-21T05:10:27.6597Z`.
    Malformed values are skipped: the missing cursor leads to a snapshot (`NOT_KNOWN`).
    """
    values = parse_qs(query).get("resume")
    if values is None:
        return None
    cursors: dict[str, StreamCursor] = {}
    for value in values[: len(Stream)]:
        stream, _, rest = value.partition(":")
        sequence, _, created = rest.partition(":")
        if sequence.isascii() and sequence.isdigit() and len(sequence) <= MAX_SEQUENCE_DIGITS:
            cursors[stream] = StreamCursor(created, int(sequence))
    return cursors
