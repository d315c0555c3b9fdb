"""Clocks of the libraries that read them from the operating system instead of from the event loop."""

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

from lab.simulation.loop.event_loop import SimulatedLoop


@contextmanager
def simulated_clocks(loop: SimulatedLoop) -> Iterator[None]:
    """Let aiohttp and nats-py read the clocks of the simulated hosts: reconnects and kept connections depend on them."""
    clocks = {
        "monotonic": loop.time,
        "time": lambda: loop.wall_time_ns() / 1e9,
        "perf_counter_ns": lambda: round(loop.time() * 1e9),
    }
    simulated = SimpleNamespace(**{**vars(time), **clocks})
    modules: list[Any] = [
        aiohttp.cookiejar,
        aiohttp.helpers,
        nats.aio.client,
        nats.js.client,
        nats.micro.service,
    ]
    before = [module.time for module in modules]
    connector: Any = aiohttp.connector
    monotonic = connector.monotonic
    for module in modules:
        module.time = simulated
    connector.monotonic = loop.time
    try:
        yield
    finally:
        for module, real in zip(modules, before, strict=True):
            module.time = real
        connector.monotonic = monotonic
