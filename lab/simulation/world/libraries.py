"""Clocks and random numbers of libraries that take them from the system, not from the event loop."""

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


@contextmanager
def simulated_libraries(loop: SimulatedLoop, seed: int) -> Iterator[None]:
    """Have the libraries of the parts use the clocks of the loop within the context.

    What happens would depend on the speed of this machine otherwise: aiohttp closes connections that were idle for long, and
    the client of the bus waits between attempts to connect, both by the system's clock.
    """
    drawn = random.Random(f"libraries {seed}")
    simulated = {
        "monotonic": loop.time,
        "perf_counter_ns": lambda: round(loop.time() * 1e9),
        "time": lambda: loop.wall_time_ns() / 1e9,
    }
    clocks = SimpleNamespace(**{**vars(time), **simulated})
    replaced: list[tuple[Any, str, object]] = [
        (aiohttp.connector, "monotonic", loop.time),
        (aiohttp.cookiejar, "time", clocks),
        (aiohttp.helpers, "time", clocks),
        (nats.aio.client, "time", clocks),
        (nats.js.client, "time", clocks),
        (nats.micro.service, "time", clocks),
        (nats.nuid, "randbelow", drawn.randrange),
        (nats.nuid, "token_bytes", drawn.randbytes),
        (uvicorn.server, "time", clocks),
    ]
    before = [getattr(module, name) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name, _), value in zip(replaced, before, strict=True):
            setattr(module, name, value)
