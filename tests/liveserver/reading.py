"""The messages in a server's bytes, read by a client's protocol."""

import json
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

URI = parse_uri("ws://live.example/ws")


def messages_in(data: bytes) -> list[tuple[str, Any]]:
    """Return type and data of every message."""
    return [(message["type"], message["data"]) for message in objects_in(data)]


def objects_in(data: bytes) -> list[dict[str, Any]]:
    """Return every message."""
    client = ClientProtocol(URI, state=State.OPEN)
    client.receive_data(data)
    texts = [
        frame.data
        for frame in client.events_received()
        if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT
    ]
    return [json.loads(bytes(text)) for text in texts]
