"""Messages as they come: what a stream has stored, and what passes by on a core subject."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Message:
    """What a core subscription heard."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    reply: str
    """Where an answer is awaited; empty when none is."""


class Received(msgspec.Struct, frozen=True):
    """A message that a stream has stored."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    stream: str
    sequence: int
    time_ns: int
    """When the server stored it."""
