"""Clocks and ids of the libraries that take them from the operating system instead of from the event loop."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp.connector
import aiohttp.cookiejar
import aiohttp.helpers
import nats.aio.client
import nats.js.client
import nats.micro.service
import nats.nuid
import uvicorn.server

from lab.simulation.loop.event_loop import SimulatedLoop

CLOCK_READERS: tuple[Any, ...] = (
    aiohttp.cookiejar,
    aiohttp.helpers,
    nats.aio.client,
    nats.js.client,
    nats.micro.service,
    uvicorn.server,
)
"""Modules that use the module `time`."""


@contextmanager
def simulated_libraries(loop: SimulatedLoop, seed: int) -> Iterator[None]:
    """Let aiohttp, nats-py and uvicorn read the clocks of the simulated hosts, and nats-py make ids from a seed.

    Otherwise reconnects and kept connections would depend on the speed of this machine.
    """
    clocks = {
        "monotonic": loop.time,
        "time": lambda: loop.wall_time_ns() / 1e9,
        "perf_counter_ns": lambda: round(loop.time() * 1e9),
    }
    simulated = SimpleNamespace(**{**vars(time), **clocks})
    drawn = random.Random(f"libraries {seed}")
    replaced: list[tuple[Any, str, object]] = [
        *((module, "time", simulated) for module in CLOCK_READERS),
        (aiohttp.connector, "monotonic", loop.time),
        (nats.nuid, "randbelow", drawn.randrange),
        (nats.nuid, "token_bytes", drawn.randbytes),
    ]
    before = [getattr(module, name) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(replaced, before, strict=True):
            setattr(module, name, value)
