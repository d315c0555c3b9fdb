"""A viewer that counts: it holds positions as docs/live-protocol.md says, and finds what came twice, late or never."""

import json
from typing import Any

from liveserver.hub.group import CloseCode
from liveserver.protocol.cursors import Position
from tests.liveserver.reading import objects_in


class CountingViewer:
    """Implements `Viewer`; `connect` anew before it joins another hub."""

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        self.events: list[str] = []
        """Every `seq` since the last snapshot, as it came."""
        self.included: dict[str, int] = {}
        """What the last snapshot includes of each stream."""
        self.reasons: list[str] = []
        self.kinds: list[str] = []
        self.prices: list[str] = []
        self.closed: CloseCode | None = None

    def send(self, data: bytes, messages: int) -> bool:
        for message in objects_in(data):
            self.take(message)
        return True

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    is_blocked = False

    async def room(self) -> bool:
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
                self.included = {stream: at["sequence"] for stream, at in data["streams"].items()}
        if kind in {"snapshot", "streams"}:
            self.positions = {stream: Position(**at) for stream, at in data["streams"].items()}
        stream, _, number = message.get("seq", "").partition(":")
        if stream in self.positions and "replayed" not in message:
            position = self.positions[stream]
            assert int(number) > position.sequence, f"{message['seq']} again, or too late: {position}"
            self.positions[stream] = Position(position.created, int(number))
            self.events.append(message["seq"])

    def of(self, stream: str) -> list[int]:
        """Return what came of a stream since the last snapshot."""
        found = (seq.partition(":") for seq in self.events)
        return [int(number) for name, _, number in found if name == stream]
