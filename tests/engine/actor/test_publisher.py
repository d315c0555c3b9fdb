"""A speaker that ended before it heard what became of its copies."""

import asyncio
import gc

import pytest

from bus import Bus, BusError, Logger
from engine.actor.publisher import Publisher
from schemas.subjects import Stream
from tests.engine.actor.test_copies import STEP


async def test_copies_that_nobody_asks_after_fail_in_silence(bus: Bus) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    await _speak_without_a_stream(bus)
    gc.collect()
    assert complaints == []


async def test_copies_that_failed_are_known_to_who_asks(bus: Bus) -> None:
    speaker = await _speak_without_a_stream(bus)
    with pytest.raises(BusError):
        _ = speaker.published_through


async def _speak_without_a_stream(bus: Bus) -> Publisher:
    await bus.api(f"STREAM.DELETE.{Stream.ENGINE}", None, dict)
    speaker = Publisher(bus, "step", "grid", Logger("test"), through=0)
    await speaker.say(STEP, 1)
    await bus.flush_window()
    return speaker
