"""RFC 6455 frames: those of a server are unmasked, so that the same bytes serve every viewer."""

import struct

from websockets.frames import Frame

TEXT = 0x81
"""A whole text message: the final bit and opcode 1."""

PING = b"\x89\x00"
"""A whole ping that says nothing."""

MASK_SIZE = 4

SMALL = 4096
"""Up to this size frames have their heads ready."""


def text_frame(payload: bytes) -> bytes:
    """Return one text frame. `payload` is UTF-8."""
    size = len(payload)
    if size < SMALL:
        return _heads[size] + payload
    return _head(size) + payload


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((TEXT, size))
    if size < 65536:
        return struct.pack(">BBH", TEXT, 126, size)
    return bytes((TEXT, 127)) + size.to_bytes(8, "big")


def wire_size(frame: Frame) -> int:
    """Return how many bytes a viewer's frame took: masked, with the shortest length field."""
    size = len(frame.data)
    return 2 + (0 if size < 126 else 2 if size < 65536 else 8) + MASK_SIZE + size


_heads = [_head(size) for size in range(SMALL)]
