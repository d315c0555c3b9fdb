"""The backlog of one slow viewer: unsent frames, bounded in messages and bytes."""


class Backlog:
    """Chunks of whole frames, in order."""

    __slots__ = ("_chunks", "_max_messages", "_max_size", "messages", "size")

    def __init__(self, max_messages: int, max_size: int) -> None:
        self._max_messages = max_messages
        self._max_size = max_size
        self._chunks: list[bytes] = []
        self.messages = 0
        self.size = 0

    def put(self, chunk: bytes, messages: int) -> bool:
        """Append a chunk; return False and append nothing if it does not fit."""
        if self.messages + messages > self._max_messages or self.size + len(chunk) > self._max_size:
            return False
        self._chunks.append(chunk)
        self.messages += messages
        self.size += len(chunk)
        return True

    def take(self) -> bytes:
        """Remove all chunks and return them joined."""
        joined = b"".join(self._chunks)
        self.clear()
        return joined

    def clear(self) -> None:
        self._chunks.clear()
        self.messages = self.size = 0
