"""Groups of viewers with the same subscription: frames are encoded once and joined into one write."""

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from liveserver.protocol.frames import text_frame
from liveserver.protocol.redaction import UNKEYED, Pseudonym, redacted
from liveserver.protocol.server_messages import MarketMessage, Message, MessageType, encode_message
from liveserver.protocol.symbol_names import Channel
from liveserver.view.event_log import with_market_channels

MAX_PENDING_BYTES = 64 * 1024
"""Pending bytes of a group above which they are sent at once, to bound the size of one write."""


class CloseCode(IntEnum):
    """WebSocket close codes; those from 4000 on are specific to this server."""

    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    TOKEN_EXPIRED = 4401
    UNKNOWN_SYMBOL = 4404
    TOO_SLOW = 4408
    RATE_LIMITED = 4429


class ProtocolVersion(StrEnum):
    """The form in which messages are encoded for a viewer."""

    PLAIN = "plain"
    """`{"type", "data"}`, as the earlier live server sent them."""
    V2 = "opensqt.v2"
    """With `venue`, `symbol` and `seq` in addition."""
    PUBLIC_PLAIN = "public plain"
    """Redacted, for viewers without permission to see amounts."""
    PUBLIC_V2 = "public opensqt.v2"

    def __init__(self, name: str) -> None:
        self.is_v2 = name.endswith("opensqt.v2")
        self.is_redacted = name.startswith("public")

    @classmethod
    def of(cls, *, is_v2: bool, is_redacted: bool) -> "ProtocolVersion":
        """Return the version for a viewer."""
        if is_redacted:
            return cls.PUBLIC_V2 if is_v2 else cls.PUBLIC_PLAIN
        return cls.V2 if is_v2 else cls.PLAIN


_PLAIN = ProtocolVersion.PLAIN  # looking up an enum member takes as long as joining a frame


class Frame(NamedTuple):
    """One encoded message."""

    data: bytes
    type: MessageType


def encode_frame(
    message: Message,
    version: ProtocolVersion,
    channel: Channel | None = None,
    seq: str = "",
    replayed_ms: int = 0,
    alias: Pseudonym = UNKEYED,
) -> bytes:
    """Return the frame of a message.

    `replayed_ms` is the time of storage of a replayed event, 0 for live data. `alias` returns the pseudonym of an id.
    """
    if version is _PLAIN:
        return text_frame(encode_message(message))
    if version.is_redacted:
        message = Message(message.type, redacted(message.data, alias))
    if not version.is_v2:
        return text_frame(encode_message(message))
    venue, symbol = channel.market if channel else ("", "")
    return text_frame(
        encode_message(MarketMessage(message.type, message.data, venue, symbol, seq, replayed_ms))
    )


def encode_frames(
    messages: Sequence[tuple[Message, str]], version: ProtocolVersion, channel: Channel, alias: Pseudonym
) -> list[bytes]:
    """Return the frames of messages of one channel, each given with its `seq`."""
    if version is _PLAIN:
        return [text_frame(encode_message(message)) for message, _ in messages]
    return [encode_frame(message, version, channel, seq, 0, alias) for message, seq in messages]


class Viewer(Protocol):
    """The server's end of a browser's connection. Sending never blocks."""

    def send(self, data: bytes, messages: int) -> bool:
        """Accept a number of complete frames, joined; return False if the viewer is closed, or now closed as too slow."""
        ...

    @property
    def is_blocked(self) -> bool:
        """Whether the connection accepts no data at present, so that frames are queued in a bounded backlog."""
        ...

    async def wait_writable(self) -> bool:
        """Wait until the connection accepts data or is closed; return whether it is open."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection after the frames accepted so far."""
        ...


class SubscriberGroup:
    """Viewers with the same channels and protocol version, and their unsent frames.

    The group without channels holds the viewers that receive no live data; broadcasts reach it too.
    """

    def __init__(self, channels: frozenset[Channel], version: ProtocolVersion) -> None:
        self.channels = channels
        self.version = version
        self._received = with_market_channels(channels)
        self.viewers: dict[Viewer, None] = {}
        self._frames: list[bytes] = []
        self._kinds: list[MessageType] = []
        self._size = 0

    @property
    def receives_cursors(self) -> bool:
        """Whether the viewers receive stream cursors."""
        return self.version.is_v2 and bool(self.channels)

    def receives(self, channel: Channel) -> bool:
        """Return whether the viewers receive the messages of a channel."""
        return channel in self._received

    def put(self, kind: MessageType, frame: bytes) -> bool:
        """Queue a frame for the next flush; return whether the group should be flushed before more is queued."""
        self._frames.append(frame)
        self._kinds.append(kind)
        self._size += len(frame)
        return self._size >= MAX_PENDING_BYTES

    def extend(self, kinds: Sequence[MessageType], frames: Sequence[bytes]) -> bool:
        """Queue several frames; returns as `put` does."""
        self._frames += frames
        self._kinds += kinds
        self._size += sum(map(len, frames))
        return self._size >= MAX_PENDING_BYTES

    def flush(self) -> tuple[Counter[MessageType], Sequence[Viewer]]:
        """Send the queued frames; return the number of deliveries by type, and the viewers that did not accept."""
        if not self._frames:
            return Counter(), ()
        joined, messages = b"".join(self._frames), len(self._frames)
        counts = Counter(self._kinds)
        self._frames.clear()
        self._kinds.clear()
        self._size = 0
        rejected = [viewer for viewer in list(self.viewers) if not viewer.send(joined, messages)]
        accepted = len(self.viewers) - len(rejected)
        return Counter({kind: count * accepted for kind, count in counts.items()}), rejected
