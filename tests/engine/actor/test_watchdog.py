"""The watch: silence becomes the market's time, but never a recording's."""

import asyncio

from engine.actor.watchdog import LiveWatch, RecordedWatch
from schemas.units import MILLISECOND_NS
from tests.schemas.examples import BTC, SIM, TIME


class Clock:
    """Goes on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += MILLISECOND_NS
        return self.now


async def test_silence_is_told_in_the_markets_time() -> None:
    watch = LiveWatch(every_s=0.01, clock=Clock())
    watch.tick(TIME)
    first, second = await watch.silence(), await watch.silence()
    assert TIME + 10 * MILLISECOND_NS <= first.time < second.time


async def test_silence_counts_from_the_tick() -> None:
    clock = Clock()
    watch = LiveWatch(every_s=0.01, clock=clock)
    watch.tick(TIME)
    await watch.silence()
    clock.now += 100 * MILLISECOND_NS
    watch.tick(TIME + 5)
    assert (await watch.silence()).time < TIME + 50 * MILLISECOND_NS


async def test_before_the_first_tick_there_is_no_time() -> None:
    watch = LiveWatch(every_s=0.001)
    telling = asyncio.create_task(watch.silence())
    await asyncio.sleep(0)
    assert not telling.done()
    watch.tick(TIME)
    assert (await telling).time > TIME


async def test_a_recording_is_never_silent() -> None:
    watch = RecordedWatch()
    watch.tick(TIME)
    telling = asyncio.create_task(watch.silence())
    await asyncio.sleep(0)
    assert not telling.done()
    assert watch.feed_subjects(SIM, BTC) == ()
    telling.cancel()
