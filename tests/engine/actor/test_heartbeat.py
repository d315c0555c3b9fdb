"""Heartbeat of an actor: published while it works, not while an input is stuck."""

import asyncio

import pytest

from bus import Bus
from engine.actor.heartbeat import MAX_BUSY_S, Heartbeat
from schemas import subjects
from tests.builders import BTC, SIM
from tests.engine.conftest import RunActor


async def test_a_running_actor_sends_heartbeats(bus: Bus, run_actor: RunActor) -> None:
    received = asyncio.Event()
    await bus.subscribe(subjects.heartbeat(SIM, BTC), lambda _: received.set())
    async with run_actor(), asyncio.timeout(5):
        await received.wait()


def test_a_stuck_input_stops_the_heartbeat(bus: Bus) -> None:
    now = 0.0
    heartbeat = Heartbeat(bus, SIM, BTC, "one", clock=lambda: now)
    with heartbeat.working():
        now = MAX_BUSY_S
        assert heartbeat.is_alive()
        now = MAX_BUSY_S + 0.1
        assert not heartbeat.is_alive()
    assert heartbeat.is_alive()


def test_a_failed_input_stops_the_heartbeat(bus: Bus) -> None:
    now = 0.0
    heartbeat = Heartbeat(bus, SIM, BTC, "one", clock=lambda: now)
    with pytest.raises(ValueError, match="poisoned"), heartbeat.working():
        raise ValueError("poisoned")
    now = MAX_BUSY_S + 0.1
    assert not heartbeat.is_alive()
