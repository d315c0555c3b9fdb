"""Watchdog: silence of a live market is reported in the market's time, of a recording never."""

import asyncio

from engine.actor.watchdog import LiveWatchdog, RecordedWatchdog
from schemas.units import MILLISECOND_NS
from tests.builders import BTC, SIM, TIME


class Clock:
    """Advances by a millisecond at each reading."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += MILLISECOND_NS
        return self.now


async def test_silence_is_reported_in_the_markets_time() -> None:
    watchdog = LiveWatchdog(silence_s=0.01, clock=Clock())
    watchdog.tick(TIME)
    first, second = await watchdog.next_silence(), await watchdog.next_silence()
    assert TIME + 10 * MILLISECOND_NS <= first.time < second.time


async def test_silence_is_measured_from_the_last_tick() -> None:
    clock = Clock()
    watchdog = LiveWatchdog(silence_s=0.01, clock=clock)
    watchdog.tick(TIME)
    await watchdog.next_silence()
    clock.now += 100 * MILLISECOND_NS
    watchdog.tick(TIME + 5)
    assert (await watchdog.next_silence()).time < TIME + 50 * MILLISECOND_NS


async def test_silence_before_the_first_tick_is_not_reported() -> None:
    watchdog = LiveWatchdog(silence_s=0.001)
    waiting = asyncio.create_task(watchdog.next_silence())
    await asyncio.sleep(0)
    assert not waiting.done()
    watchdog.tick(TIME)
    assert (await waiting).time > TIME


async def test_a_recording_is_never_silent() -> None:
    watchdog = RecordedWatchdog()
    watchdog.tick(TIME)
    waiting = asyncio.create_task(watchdog.next_silence())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert watchdog.feed_subjects(SIM, BTC) == ()
    waiting.cancel()
