"""Viewers who hear the same: a message's frame is built once for all, and what one moment brought is joined once."""

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Protocol

from liveserver.protocol.frames import text_frame
from liveserver.protocol.redaction import UNKEYED, Pseudonym, redacted
from liveserver.protocol.server_messages import MarketMessage, Message, MessageType, text
from liveserver.view.projection import Channel

PIECE = 64 * 1024
"""Bytes that are joined at most, so that what one write holds is bounded."""


class CloseCode(IntEnum):
    """Why a socket was closed; 4000 and up are ours."""

    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    TOKEN_EXPIRED = 4401
    UNKNOWN_SYMBOL = 4404
    TOO_SLOW = 4408
    TOO_MUCH_SAID = 4429


class ProtocolVersion(StrEnum):
    """How messages are written."""

    PLAIN = "plain"
    """`{"type", "data"}`, as the earlier live server did."""
    V2 = "opensqt.v2"
    """With `venue`, `symbol` and `seq` beside them."""
    PUBLIC_PLAIN = "public plain"
    """Redacted: for viewers who may not see amounts."""
    PUBLIC_V2 = "public opensqt.v2"

    def __init__(self, name: str) -> None:
        self.is_v2 = name.endswith("opensqt.v2")
        self.is_redacted = name.startswith("public")

    @classmethod
    def of(cls, *, is_v2: bool, is_redacted: bool) -> "ProtocolVersion":
        """Return how somebody is told what it may see."""
        if is_redacted:
            return cls.PUBLIC_V2 if is_v2 else cls.PUBLIC_PLAIN
        return cls.V2 if is_v2 else cls.PLAIN


_PLAIN = ProtocolVersion.PLAIN  # that of an enumeration takes as long to look up as a frame to join


def written(
    message: Message,
    dialect: ProtocolVersion,
    channel: Channel | None = None,
    seq: str = "",
    replayed: int = 0,
    alias: Pseudonym = UNKEYED,
) -> bytes:
    """Return the frame of a message; `replayed` is when it was stored, in milliseconds, if it is told again.

    `alias` is what ids are called where they are not shown.
    """
    if dialect is _PLAIN:
        return text_frame(text(message))
    if dialect.is_redacted:
        message = Message(message.type, redacted(message.data, alias))
    if not dialect.is_v2:
        return text_frame(text(message))
    venue, symbol = channel.market if channel else ("", "")
    return text_frame(text(MarketMessage(message.type, message.data, venue, symbol, seq, replayed)))


def written_alike(
    messages: Sequence[tuple[Message, str]], dialect: ProtocolVersion, channel: Channel, alias: Pseudonym
) -> list[bytes]:
    """Return the frames of messages of one channel, each with its `seq`."""
    if dialect is _PLAIN:
        return [text_frame(text(message)) for message, _ in messages]
    return [written(message, dialect, channel, seq, 0, alias) for message, seq in messages]


class Viewer(Protocol):
    """One browser's end of a connection: takes frames without ever making anyone wait."""

    def send(self, data: bytes, messages: int) -> bool:
        """Take so many whole frames, joined; False when the viewer is closed, or closed now as too slow."""
        ...

    @property
    def is_blocked(self) -> bool:
        """Whether the connection takes nothing at present: what is sent waits, and must not be much."""
        ...

    async def room(self) -> bool:
        """Return once the connection takes what it is sent, or is gone; whether it is there."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection, once what was taken before is out."""
        ...


class Audience:
    """Viewers, and the frames that they have yet to be sent. Nobody's channels are none: they wait."""

    def __init__(self, channels: frozenset[Channel], dialect: ProtocolVersion) -> None:
        self.channels = channels
        self.dialect = dialect
        self._heard = channels | {Channel(channel.market) for channel in channels}
        self.viewers: dict[Viewer, None] = {}
        self._frames: list[bytes] = []
        self._kinds: list[MessageType] = []
        self._size = 0

    @property
    def is_told_streams(self) -> bool:
        """Whether they want to know how far each stream was told."""
        return self.dialect.is_v2 and bool(self.channels)

    def hears(self, channel: Channel) -> bool:
        """Tell whether a message for this channel is for them."""
        return channel in self._heard

    def put(self, kind: MessageType, frame: bytes) -> bool:
        """Have a frame sent to everybody at the next flush; True when it should come before more is added."""
        self._frames.append(frame)
        self._kinds.append(kind)
        self._size += len(frame)
        return self._size >= PIECE

    def extend(self, kinds: Sequence[MessageType], frames: Sequence[bytes]) -> bool:
        """Have frames sent as `put` does."""
        self._frames += frames
        self._kinds += kinds
        self._size += sum(map(len, frames))
        return self._size >= PIECE

    def flush(self) -> tuple[Counter[MessageType], Sequence[Viewer]]:
        """Send what waits; return how many messages of each kind were taken, and who did not take them."""
        if not self._frames:
            return Counter(), ()
        joined, messages = b"".join(self._frames), len(self._frames)
        counts = Counter(self._kinds)
        self._frames.clear()
        self._kinds.clear()
        self._size = 0
        refused = [viewer for viewer in list(self.viewers) if not viewer.send(joined, messages)]
        takers = len(self.viewers) - len(refused)
        return Counter({kind: count * takers for kind, count in counts.items()}), refused
