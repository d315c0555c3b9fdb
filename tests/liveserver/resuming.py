"""A viewer that keeps stream cursors as docs/live-protocol.md requires, and detects repeated and late events."""

import json
from typing import Any

from liveserver.hub.group import CloseCode
from liveserver.protocol.cursors import StreamCursor
from tests.liveserver.reading import objects_in


class CountingViewer:
    """Implements `Viewer`."""

    def __init__(self) -> None:
        self.cursors: dict[str, StreamCursor] = {}
        self.events: list[str] = []
        """Each `seq` since the last snapshot, in order of arrival."""
        self.included: dict[str, int] = {}
        """Last sequence of each stream included in the last snapshot."""
        self.reasons: list[str] = []
        self.kinds: list[str] = []
        self.prices: list[str] = []
        self.closed: CloseCode | None = None

    def send(self, data: bytes, message_count: int) -> bool:
        for message in objects_in(data):
            self.take(message)
        return True

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    is_blocked = False

    async def wait_writable(self) -> bool:
        return True

    def receive(self, text: str | bytes) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(text)
        self.take(message)
        return message

    def take(self, message: dict[str, Any]) -> None:
        kind, data = message["type"], message["data"]
        self.kinds.append(kind)
        if kind == "ticker":
            self.prices.append(data["last"])
        if kind == "snapshot":
            self.reasons.append(data["reason"])
            if data["reason"] != "new_symbol":
                self.events.clear()
                self.included = {stream: cursor["sequence"] for stream, cursor in data["streams"].items()}
        if kind in {"snapshot", "streams"}:
            self.cursors = {stream: StreamCursor(**cursor) for stream, cursor in data["streams"].items()}
        stream, _, number = message.get("seq", "").partition(":")
        if stream in self.cursors and "replayed" not in message:
            cursor = self.cursors[stream]
            assert int(number) > cursor.sequence, f"{message['seq']} is repeated or late: {cursor}"
            self.cursors[stream] = StreamCursor(cursor.created, int(number))
            self.events.append(message["seq"])

    def of(self, stream: str) -> list[int]:
        """Return the sequences received of a stream since the last snapshot."""
        found = (seq.partition(":") for seq in self.events)
        return [int(number) for name, _, number in found if name == stream]
