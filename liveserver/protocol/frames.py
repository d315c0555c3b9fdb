"""RFC 6455 frames. Server frames are unmasked, so that the same bytes serve every viewer."""

import struct

from websockets.frames import Frame

TEXT_HEAD = 0x81
"""First byte of an unfragmented text message: the FIN bit and opcode 1."""

PING = b"\x89\x00"
"""A ping frame without a payload."""

MASK_BYTES = 4

MAX_CACHED_SIZE = 4096
"""Payload bytes below which the frame head is precomputed."""


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


def wire_size(frame: Frame) -> int:
    """Return the size in bytes of a received (masked) frame on the wire, with the shortest length field."""
    size = len(frame.data)
    return 2 + (0 if size < 126 else 2 if size < 65536 else 8) + MASK_BYTES + size


_heads = [_head(size) for size in range(MAX_CACHED_SIZE)]
