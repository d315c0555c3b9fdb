"""The heartbeat: heard while an actor can work, and not while it is stuck."""

import asyncio

import pytest

from bus import Bus
from engine.actor.heartbeat import BUSY_S, Heartbeat
from schemas import subjects
from tests.engine.conftest import RunActor
from tests.schemas.examples import BTC, SIM


async def test_an_actor_that_runs_is_heard(bus: Bus, run_actor: RunActor) -> None:
    heard = asyncio.Event()
    await bus.subscribe(subjects.heartbeat(SIM, BTC), lambda _: heard.set())
    async with run_actor(), asyncio.timeout(5):
        await heard.wait()


def test_an_input_that_takes_too_long_is_no_sign_of_life(bus: Bus) -> None:
    now = 0.0
    heartbeat = Heartbeat(bus, SIM, BTC, clock=lambda: now)
    with heartbeat.working():
        now = BUSY_S
        assert heartbeat.is_well()
        now = BUSY_S + 0.1
        assert not heartbeat.is_well()
    assert heartbeat.is_well()


def test_who_failed_at_an_input_does_not_live(bus: Bus) -> None:
    now = 0.0
    heartbeat = Heartbeat(bus, SIM, BTC, clock=lambda: now)
    with pytest.raises(ValueError, match="poisoned"), heartbeat.working():
        raise ValueError("poisoned")
    now = BUSY_S + 0.1
    assert not heartbeat.is_well()
