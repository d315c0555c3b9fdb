"""Clocks and random numbers of libraries that take them from the system, not from the event loop."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
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
from aiohttp.client_proto import ResponseHandler

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
    numbers = count(1)

    class NumberedHandler(ResponseHandler):
        """A connection whose place in a set does not depend on where it is in memory: sets are closed in their order."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._number = next(numbers)
            super().__init__(loop)

        def __hash__(self) -> int:
            return self._number

    replaced: list[tuple[Any, str, object]] = [
        (aiohttp.connector, "monotonic", loop.time),
        (aiohttp.connector, "ResponseHandler", NumberedHandler),
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
