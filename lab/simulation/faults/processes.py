"""Faults of processes and of their clocks."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.simulation.faults.fault import Fault, NotPossible, Scene
from lab.simulation.world.parts import SimulatedPart
from schemas.units import SECOND_NS, DurationNs

DOUBLE_KILL_RATIO = 0.2
"""Share of the kills that hit two processes at the same moment."""
MAX_SKEW_S = 3.0
MAX_STEP_S = 120.0
"""Bounds of the wrong wall clocks, in seconds."""
HOUR_NS: DurationNs = 3600 * SECOND_NS


@asynccontextmanager
async def kill(scene: Scene) -> AsyncIterator[None]:
    parts = scene.traders()
    count = 2 if scene.random.random() < DOUBLE_KILL_RATIO else 1
    for part in scene.random.sample(parts, count):
        part.kill()
    yield


@asynccontextmanager
async def power_loss(scene: Scene) -> AsyncIterator[None]:
    scene.choose(scene.traders()).kill(is_power_lost=True)
    yield


@asynccontextmanager
async def terminate(scene: Scene) -> AsyncIterator[None]:
    part = _standing(scene.choose(scene.traders()))
    if not part.host.process.is_alive:
        raise NotPossible
    part.send(signal.SIGTERM)
    yield


@asynccontextmanager
async def pause(scene: Scene) -> AsyncIterator[None]:
    part = _standing(scene.choose(scene.traders()))
    part.send(signal.SIGSTOP)
    try:
        yield
    finally:
        part.send(signal.SIGCONT)


@asynccontextmanager
async def suspend(scene: Scene) -> AsyncIterator[None]:
    part = _standing(scene.choose(scene.traders()))
    part.host.pause()
    try:
        yield
    finally:
        part.host.resume(has_clock_stopped=True)


@asynccontextmanager
async def skew(scene: Scene) -> AsyncIterator[None]:
    part, seconds = scene.choose(scene.traders()), scene.random.uniform(-MAX_SKEW_S, MAX_SKEW_S)
    part.host.wall_offset_ns += round(seconds * 1e9)
    try:
        yield
    finally:
        part.host.wall_offset_ns -= round(seconds * 1e9)


@asynccontextmanager
async def step(scene: Scene) -> AsyncIterator[None]:
    part, seconds = scene.choose(scene.traders()), scene.random.uniform(-MAX_STEP_S, MAX_STEP_S)
    part.host.wall_offset_ns += round(seconds * 1e9)
    try:
        yield
    finally:
        part.host.wall_offset_ns -= round(seconds * 1e9)


@asynccontextmanager
async def outage(scene: Scene) -> AsyncIterator[None]:
    async with _outage(scene.choose(scene.traders())):
        yield


@asynccontextmanager
async def account_outage(scene: Scene) -> AsyncIterator[None]:
    async with _outage(scene.world.parts["account"]):
        yield


@asynccontextmanager
async def _outage(part: SimulatedPart) -> AsyncIterator[None]:
    _standing(part).send(signal.SIGSTOP)
    try:
        yield
    finally:
        part.kill()


@asynccontextmanager
async def hour(scene: Scene) -> AsyncIterator[None]:
    part = scene.choose([each for each in scene.traders() if each.name.startswith("gateway")])
    offset_ns = scene.choose([HOUR_NS, -HOUR_NS])
    part.host.wall_offset_ns += offset_ns
    try:
        yield
    finally:
        part.host.wall_offset_ns -= offset_ns


def _standing(part: SimulatedPart) -> SimulatedPart:
    if part.host.process.is_paused:
        raise NotPossible
    return part


FAULTS = (
    Fault("kill", "A process is killed, or two of them at once; it is started again.", kill),
    Fault("power", "A host loses its power: its peers keep half-open connections.", power_loss),
    Fault("terminate", "A process receives SIGTERM, and is started again.", terminate),
    Fault("pause", "A process stands still and continues with what it knew before.", pause, 45.0),
    Fault("suspend", "A virtual machine is suspended: its clocks stand still as well.", suspend, 45.0),
    Fault("outage", "A process stands still until it is killed, and is started again.", outage, 40.0),
    Fault(
        "account-outage",
        "The account publisher stands still until it is killed, and is started again.",
        account_outage,
        20.0,
        is_by_name_only=True,
    ),
    Fault("skew", "The wall clock of a host is up to 3 s wrong, and is set right at the end.", skew, 120.0),
    Fault("clock-step", "The wall clock of a host jumps by up to 120 s, and back at the end.", step, 60.0),
    Fault(
        "clock-hour",
        "The wall clock of a gateway's host is one hour wrong, and is set right at the end.",
        hour,
        60.0,
        is_by_name_only=True,
    ),
)
