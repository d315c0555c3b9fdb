"""How long an engine was not heard."""

import asyncio

from producers.gateway.heartbeat import Heartbeat


def heartbeat(now: list[float]) -> Heartbeat:
    return Heartbeat(3, clock=lambda: now[0])


def test_an_engine_is_silent_when_its_beats_end() -> None:
    now = [0.0]
    heard = heartbeat(now)
    heard.beat()
    now[0] = 2.9
    assert not heard.is_silent
    now[0] = 3.0
    assert heard.is_silent


def test_for_its_first_beat_it_has_longer() -> None:
    now = [0.0]
    heard = heartbeat(now)
    now[0] = 9.9
    assert not heard.is_silent
    now[0] = 10.0
    assert heard.is_silent


def test_a_beat_ends_the_silence() -> None:
    now = [20.0]
    heard = heartbeat(now)
    heard.beat()
    assert not heard.is_silent


def test_without_a_limit_it_never_is_silent() -> None:
    assert not Heartbeat(0, first_s=0).is_silent


async def test_silence_and_its_end_can_be_waited_for() -> None:
    heard = Heartbeat(0.02, first_s=0)
    heard.beat()
    await heard.until_silent()
    waiting = asyncio.create_task(heard.until_heard())
    await asyncio.sleep(0)
    heard.beat()
    await waiting
    assert not heard.is_silent
