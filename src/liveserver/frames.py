"""RFC 6455 frames from a server: unmasked, so that the same bytes serve every viewer."""

TEXT = 0x81
"""A whole text message: the final bit and opcode 1."""


def text_frame(payload: bytes) -> bytes:
    """Return one text frame. `payload` is UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((TEXT, size)) + payload
    if size < 65536:
        return bytes((TEXT, 126, size >> 8, size & 0xFF)) + payload
    return bytes((TEXT, 127)) + size.to_bytes(8, "big") + payload
