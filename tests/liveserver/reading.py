"""Decode a server's bytes with the client protocol of `websockets`."""

import json
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

URI = parse_uri("ws://live.example/ws")


def messages_in(data: bytes) -> list[tuple[str, Any]]:
    """Return type and data of all messages."""
    return [(message["type"], message["data"]) for message in objects_in(data)]


def objects_in(data: bytes) -> list[dict[str, Any]]:
    """Return all messages."""
    client = ClientProtocol(URI, state=State.OPEN)
    client.receive_data(data)
    texts = [
        frame.data
        for frame in client.events_received()
        if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT
    ]
    return [json.loads(bytes(text)) for text in texts]
