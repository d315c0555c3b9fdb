"""Messages of core subscriptions and of streams."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Message:
    """A message received by a core subscription."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    reply: str
    """The subject for the reply; empty when none is expected."""


class Received(msgspec.Struct, frozen=True):
    """A message stored in a stream."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    stream: str
    sequence: int
    time_ns: int
    """When the server stored it."""
