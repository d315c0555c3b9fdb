"""Clocks, random numbers and identity of the simulated hosts."""

import random

from bus.runtime import Runtime
from lab.simulation.loop.event_loop import SimulatedLoop


class SimulatedRuntime(Runtime):
    """What `bus.runtime` provides, for the host that runs at the moment."""

    def __init__(self, loop: SimulatedLoop, seed: int, pace: float = 1.0) -> None:
        """`pace` is the factor by which periods of background work are longer than in production."""
        self._loop = loop
        self._pace = pace
        self._random = random.Random(f"runtime {seed}")

    def time_ns(self) -> int:
        return self._loop.wall_time_ns()

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 1e9)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def background_s(self, seconds: float) -> float:
        return seconds * self._pace

    def new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def host_name(self) -> str:
        return self._loop.current.host.name

    def process_id(self) -> int:
        return 1
