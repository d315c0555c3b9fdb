"""What waits for one viewer while its connection takes nothing more: bounded in messages and in bytes."""


class Backlog:
    """Chunks of whole frames, in order."""

    __slots__ = ("_chunks", "_messages_limit", "_size_limit", "messages", "size")

    def __init__(self, messages: int, size: int) -> None:
        self._messages_limit = messages
        self._size_limit = size
        self._chunks: list[bytes] = []
        self.messages = 0
        self.size = 0

    def put(self, chunk: bytes, messages: int) -> bool:
        """Keep a chunk; False, and nothing is kept, when it does not fit."""
        if self.messages + messages > self._messages_limit or self.size + len(chunk) > self._size_limit:
            return False
        self._chunks.append(chunk)
        self.messages += messages
        self.size += len(chunk)
        return True

    def take(self) -> bytes:
        """Return all that waits, joined."""
        joined = b"".join(self._chunks)
        self.clear()
        return joined

    def clear(self) -> None:
        self._chunks.clear()
        self.messages = self.size = 0
