"""Clocks of a simulated world, its libraries included."""

import aiohttp.connector
import nats.nuid

from bus import runtime
from bus.runtime import provided
from lab.simulation.loop.event_loop import SimulatedLoop
from lab.simulation.world.libraries import simulated_libraries
from lab.simulation.world.runtime import SimulatedRuntime


def test_periods_of_background_work_are_stretched() -> None:
    loop = SimulatedLoop(1)
    with provided(SimulatedRuntime(loop, 1, pace=4)):
        assert runtime.background_s(0.5) == 2

    loop.end()
    assert runtime.background_s(0.5) == 0.5


def test_libraries_take_time_and_ids_from_the_world() -> None:
    ids = []
    for _ in range(2):
        loop = SimulatedLoop(1)
        with simulated_libraries(loop, 1):
            assert vars(aiohttp.connector)["monotonic"]() == loop.time() == 0
            ids.append(nats.nuid.NUID().next())
        loop.end()

    assert ids[0] == ids[1] != nats.nuid.NUID().next()
