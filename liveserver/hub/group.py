"""Groups of viewers with the same subscription: frames are joined into one write for all of them."""

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from liveserver.protocol.encoding import Encoding
from liveserver.protocol.server_messages import MessageType
from liveserver.protocol.symbol_names import Channel
from liveserver.view.event_log import with_market_channels

MAX_PENDING_BYTES = 64 * 1024
"""Pending bytes of a group from which on they should be flushed at once, to bound the size of one write."""


class CloseCode(IntEnum):
    """WebSocket close codes; those from 4000 on are specific to this server."""

    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    LOGIN_REQUIRED = 4401
    """The token has expired, or a page of the plain protocol has none."""
    UNKNOWN_SYMBOL = 4404
    TOO_SLOW = 4408
    RATE_LIMITED = 4429


class Viewer(Protocol):
    """The server's end of one browser's connection."""

    def send(self, data: bytes, message_count: int) -> bool:
        """Send `data`, which is `message_count` complete frames joined; return whether the viewer accepts them.

        Returns at once: what the connection does not accept yet is queued in a bounded backlog. A viewer whose
        backlog overflows is closed as too slow; a closed viewer accepts nothing.
        """
        ...

    @property
    def is_blocked(self) -> bool:
        """Whether the connection accepts no data at present, so that `send` queues."""
        ...

    async def wait_writable(self) -> bool:
        """Wait until the connection accepts data or is closed; return whether it is open."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection after the frames accepted so far."""
        ...


class SubscriberGroup:
    """Viewers with the same channels and encoding, and their unsent frames.

    A group without channels holds the viewers that receive no market data at present (see `hub.viewers`); messages
    that concern no market reach it too.
    """

    def __init__(self, channels: frozenset[Channel], encoding: Encoding) -> None:
        self.channels = channels
        self.encoding = encoding
        self.viewers: dict[Viewer, None] = {}
        """The keys are the viewers, in the order in which they joined: an ordered set."""
        self._received = with_market_channels(channels)
        self._frames: list[bytes] = []
        self._types: list[MessageType] = []
        """The message type of each frame."""
        self._size_bytes = 0

    @property
    def receives_cursors(self) -> bool:
        """Whether the viewers receive stream cursors."""
        return self.encoding.is_v2 and bool(self.channels)

    def receives(self, channel: Channel) -> bool:
        """Return whether the viewers receive the messages of a channel."""
        return channel in self._received

    def put(self, message_type: MessageType, frame: bytes) -> bool:
        """Queue a frame; return whether the caller should flush the group before it queues more."""
        self._frames.append(frame)
        self._types.append(message_type)
        self._size_bytes += len(frame)
        return self._size_bytes >= MAX_PENDING_BYTES

    def extend(self, message_types: Sequence[MessageType], frames: Sequence[bytes]) -> bool:
        """Queue several frames; returns as `put` does."""
        self._frames += frames
        self._types += message_types
        self._size_bytes += sum(map(len, frames))
        return self._size_bytes >= MAX_PENDING_BYTES

    def flush(self) -> tuple[Counter[MessageType], Sequence[Viewer]]:
        """Send the queued frames; return the number of deliveries by type, and the viewers that did not accept."""
        if not self._frames:
            return Counter(), ()
        joined, message_count = b"".join(self._frames), len(self._frames)
        counts = Counter(self._types)
        self._frames.clear()
        self._types.clear()
        self._size_bytes = 0
        rejecting = [viewer for viewer in list(self.viewers) if not viewer.send(joined, message_count)]
        accepted = len(self.viewers) - len(rejecting)
        return Counter({each: count * accepted for each, count in counts.items()}), rejecting
