"""The backlog of one slow viewer: unsent frames, bounded in messages and bytes."""


class Backlog:
    """Chunks of whole frames, in order."""

    __slots__ = ("_chunks", "_max_bytes", "_max_messages", "message_count", "size_bytes")

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []
        self.message_count = 0
        self.size_bytes = 0

    def put(self, chunk: bytes, message_count: int) -> bool:
        """Append a chunk of `message_count` frames; return False and append nothing if it does not fit."""
        has_room = (
            self.message_count + message_count <= self._max_messages
            and self.size_bytes + len(chunk) <= self._max_bytes
        )
        if not has_room:
            return False
        self._chunks.append(chunk)
        self.message_count += message_count
        self.size_bytes += len(chunk)
        return True

    def take(self) -> bytes:
        """Remove all chunks and return them joined."""
        joined = b"".join(self._chunks)
        self.clear()
        return joined

    def clear(self) -> None:
        self._chunks.clear()
        self.message_count = self.size_bytes = 0
