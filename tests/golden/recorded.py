"""The streams that version 0.1 left on the bus."""

import json
import lzma
from pathlib import Path
from typing import Any

from bus import Bus

OLD = Path(__file__).parent / "0.1"


def old_messages(stream: str) -> list[dict[str, Any]]:
    """Return the recorded messages of a stream, each with `subject` and `data`."""
    with lzma.open(OLD / f"{stream}.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def old_data(stream: str, subject: str) -> list[dict[str, Any]]:
    """Return the bodies of the recorded messages on a subject."""
    return [each["data"] for each in old_messages(stream) if each["subject"] == subject]


async def store_old(bus: Bus, stream: str) -> None:
    """Store the recorded messages of a stream, unchanged."""
    for each in old_messages(stream):
        await store_json(bus, each["subject"], each["data"])


async def store_json(bus: Bus, subject: str, data: dict[str, Any]) -> None:
    """Store a message as it was recorded."""
    await bus.publish(subject, json.dumps(data).encode())
