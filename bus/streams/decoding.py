"""Decode stored messages; log and skip invalid ones."""

from typing import TypeVar

import msgspec

from bus.client.message import Received
from bus.log import Logger
from bus.streams.registry import Entry
from schemas.codec import UndecodableError, decode_as

E = TypeVar("E", bound=msgspec.Struct)


def decode_or_log(stored: Received | Entry, kind: type[E], log: Logger) -> E | None:
    """Return the event of a stored message or registry entry; log `undecodable` and return None when it is invalid."""
    try:
        return decode_as(stored.data, kind)
    except UndecodableError as error:
        subject, sequence = (
            (stored.subject, stored.sequence)
            if isinstance(stored, Received)
            else (stored.key, stored.revision)
        )
        log.error("undecodable", subject=subject, sequence=sequence, detail=str(error))
        return None
