"""Where a viewer is in the streams whose every event counts, and why it may have to start anew."""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import parse_qs

import msgspec

from schemas.subjects import Stream

DURABLE = (Stream.CANDLES, Stream.ORDERS, Stream.ENGINE, Stream.CONTROL, Stream.JOURNAL)
"""The streams whose events a viewer gets exactly once and in order."""


class Position(msgspec.Struct, frozen=True):
    """All that a viewer's topics have in a stream up to this sequence is known to it."""

    created: str
    """When the stream was created, as the server writes it: a stream that was made anew counts from 1 again."""
    sequence: int


Positions = Mapping[str, Position]
"""By the name of the stream."""


class Reason(StrEnum):
    """Why a snapshot comes."""

    FIRST = "first"
    SUBSCRIBED = "subscribed"
    NEW_SYMBOL = "new_symbol"
    TOO_OLD = "too_old"
    """More was missed than is kept, or than is read again for one viewer."""
    STREAM_RECREATED = "stream_recreated"
    NOT_KNOWN = "not_known"
    """The position is none that this bus ever gave."""
    REPLAY_STOPPED = "replay_stopped"


def positions_in(query: str) -> dict[str, Position] | None:
    """Return what `resume=STREAM:sequence:created`, once a stream, says; None when nothing does.

    What makes no sense is left out: it is answered as a position that is not known.
    """
    given = parse_qs(query).get("resume")
    if given is None:
        return None
    found: dict[str, Position] = {}
    for text in given[: len(Stream)]:
        stream, _, rest = text.partition(":")
        sequence, _, created = rest.partition(":")
        if sequence.isascii() and sequence.isdigit() and len(sequence) < 20:
            found[stream] = Position(created, int(sequence))
    return found
