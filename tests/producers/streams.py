"""Wait for events on a stream."""

from collections.abc import Callable
from contextlib import aclosing

import msgspec

from bus import Bus, FromStart, read
from schemas.codec import decode


async def until(
    bus: Bus, stream: str, subject: str, wanted: Callable[[list[msgspec.Struct]], bool]
) -> list[msgspec.Struct]:
    """Return all events on a subject as soon as they satisfy `wanted`."""
    events: list[msgspec.Struct] = []
    async with aclosing(read(bus, stream, (subject,), FromStart())) as batches:
        async for batch in batches:
            for message in batch.messages:
                events.append(decode(message.data))
                if wanted(events):
                    return events
    raise AssertionError("a stream is read for ever")


async def first(bus: Bus, stream: str, subject: str, count: int = 1) -> list[msgspec.Struct]:
    """Return the first events on a subject, waiting for them."""
    return await until(bus, stream, subject, lambda events: len(events) == count)
