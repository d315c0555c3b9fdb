"""Market of an actor: silence of a live market is reported in market time, of a recording never."""

import asyncio

from bus import Attention
from engine.actor.market import RecordedMarket, SilenceTimer
from schemas.units import MILLISECOND_NS, SECOND_NS
from tests.builders import BTC, SIM, TIME


class Clock:
    """Advances by a millisecond at each reading."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += MILLISECOND_NS
        return self.now


async def test_silence_is_reported_in_market_time() -> None:
    timer = SilenceTimer(Attention(), silence_s=0.01, clock_ns=Clock())
    timer.on_tick(TIME)
    first, second = await timer.next_silence(), await timer.next_silence()
    assert TIME + 10 * MILLISECOND_NS <= first.time < second.time


async def test_silence_is_measured_from_the_last_tick() -> None:
    clock = Clock()
    timer = SilenceTimer(Attention(), silence_s=0.01, clock_ns=clock)
    timer.on_tick(TIME)
    await timer.next_silence()
    clock.now += 100 * MILLISECOND_NS
    timer.on_tick(TIME + 5)
    assert (await timer.next_silence()).time < TIME + 50 * MILLISECOND_NS


async def test_silence_before_the_first_tick_is_not_reported() -> None:
    timer = SilenceTimer(Attention(), silence_s=0.001)
    waiting = asyncio.create_task(timer.next_silence())
    await asyncio.sleep(0)
    assert not waiting.done()
    timer.on_tick(TIME)
    assert (await waiting).time > TIME


async def test_a_pause_of_this_process_is_no_silence_of_the_market() -> None:
    clock, now = Clock(), [0.0]
    timer = SilenceTimer(Attention(lambda: now[0]), silence_s=0.01, clock_ns=clock)
    timer.on_tick(TIME)
    clock.now += 14 * SECOND_NS
    now[0] = 14.0
    waiting = asyncio.create_task(timer.next_silence())
    await asyncio.sleep(0)
    now[0] = 14.5
    assert TIME < (await waiting).time <= TIME + SECOND_NS


def test_a_recording_has_no_silence_and_no_feed_state() -> None:
    market = RecordedMarket()
    assert market.silence is None
    assert market.feed_subjects(SIM, BTC) == ()
