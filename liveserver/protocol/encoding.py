"""Encode messages as WebSocket frames, in the form that a viewer's protocol and permissions require.

Frames are those of RFC 6455. Server frames are unmasked, so that the same bytes serve every viewer.
"""

import struct
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from websockets.frames import Frame as ReceivedFrame

from liveserver.protocol.pseudonyms import UNKEYED_PSEUDONYM, PseudonymFunction
from liveserver.protocol.redaction import redacted
from liveserver.protocol.server_messages import MarketMessage, Message, MessageType, encode_message
from liveserver.protocol.symbol_names import Channel

TEXT_HEAD = 0x81
"""First byte of an unfragmented text message: the FIN bit and opcode 1."""

PING = b"\x89\x00"
"""A ping frame without a payload."""

MASK_BYTES = 4

MAX_CACHED_SIZE = 4096
"""Heads of frames with smaller payloads, in bytes, are precomputed."""


class Encoding(StrEnum):
    """A protocol (plain or `opensqt.v2`) in a full or a redacted form.

    The same ticker of one market:

        PLAIN  {"type": "ticker", "data": {...}}
        V2     {"type": "ticker", "data": {...}, "venue": "sim", "symbol": "BTC/USDT:USDT", ...}
    """

    PLAIN = "plain"
    """`{"type", "data"}`: for clients that request no subprotocol."""
    V2 = "opensqt.v2"
    """With `venue` and `symbol` in addition, and `seq` where the message has one."""
    PUBLIC_PLAIN = "public plain"
    """`PLAIN`, redacted: without amounts, and with pseudonyms for ids; for viewers without a role."""
    PUBLIC_V2 = "public opensqt.v2"
    """`V2`, redacted."""

    def __init__(self, value: str) -> None:
        self.is_v2 = value.endswith("opensqt.v2")
        self.is_redacted = value.startswith("public")

    @classmethod
    def of(cls, *, is_v2: bool, is_redacted: bool) -> "Encoding":
        """Return the encoding for a viewer."""
        if is_redacted:
            return cls.PUBLIC_V2 if is_v2 else cls.PUBLIC_PLAIN
        return cls.V2 if is_v2 else cls.PLAIN


_PLAIN = Encoding.PLAIN  # compared for each message; a module variable is read faster than an enum member


class Frame(NamedTuple):
    """One encoded message with its type, which the hub counts when it delivers the frame to one viewer."""

    data: bytes
    type: MessageType


def encode_frame(
    message: Message,
    encoding: Encoding,
    channel: Channel | None = None,
    seq: str = "",
    stored_time_ms: int = 0,
    pseudonym: PseudonymFunction = UNKEYED_PSEUDONYM,
) -> bytes:
    """Return the frame of a message.

    `channel`, `seq` (`ORDERS:42`, the event's stream and sequence) and `stored_time_ms` (when the bus stored a
    replayed event, in ms since the epoch; 0 for live data) are encoded in V2 only. `pseudonym` is used by the
    redacted encodings.
    """
    if encoding is _PLAIN:
        return text_frame(encode_message(message))
    if encoding.is_redacted:
        message = Message(message.type, redacted(message.data, pseudonym))
    if not encoding.is_v2:
        return text_frame(encode_message(message))
    venue, symbol = channel.market if channel else ("", "")
    return text_frame(
        encode_message(MarketMessage(message.type, message.data, venue, symbol, seq, stored_time_ms))
    )


def encode_frames(
    messages: Sequence[tuple[Message, str]],
    encoding: Encoding,
    channel: Channel,
    pseudonym: PseudonymFunction,
) -> list[bytes]:
    """Return the frames of live messages of one channel, each given with its `seq`."""
    if encoding is _PLAIN:
        return [text_frame(encode_message(message)) for message, _ in messages]
    return [encode_frame(message, encoding, channel, seq, 0, pseudonym) for message, seq in messages]


def text_frame(payload: bytes) -> bytes:
    """Return one text frame; `payload` is UTF-8. `{}` becomes the bytes 81 02 7b 7d."""
    size = len(payload)
    if size < MAX_CACHED_SIZE:
        return _heads[size] + payload
    return _head(size) + payload


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((TEXT_HEAD, size))
    if size < 65536:
        return struct.pack(">BBH", TEXT_HEAD, 126, size)
    return bytes((TEXT_HEAD, 127)) + size.to_bytes(8, "big")


def payload_of(frame: bytes) -> bytes:
    """Return the payload of a frame that `text_frame` made."""
    length = frame[1]
    return frame[2 if length < 126 else 4 if length == 126 else 10 :]


def wire_size(frame: ReceivedFrame) -> int:
    """Return the size in bytes of a received (masked) frame on the wire, with the shortest length field."""
    size = len(frame.data)
    return 2 + (0 if size < 126 else 2 if size < 65536 else 8) + MASK_BYTES + size


_heads = [_head(size) for size in range(MAX_CACHED_SIZE)]
