"""What hosts, connections and the network ask of the event loop and of each other."""

import asyncio
import contextvars
import random
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from lab.simulation.loop.links import Link

Route = tuple[str, str]
"""The addresses of the host that sends and the host that receives."""


class Clock(Protocol):
    """The event loop, as the network uses it."""

    def true_time(self) -> float: ...

    def call_kernel(self, when: float, callback: Callable[..., object], *args: object) -> None: ...

    def run_soon(
        self, context: contextvars.Context, callback: Callable[..., object], *args: object
    ) -> None: ...

    def create_future(self) -> "asyncio.Future[Any]": ...


class Fabric(Protocol):
    """The network, as connections use it."""

    window_bytes: int
    random: random.Random

    def is_blocked(self, route: Route) -> bool: ...

    def delay_s(self, route: Route) -> float: ...

    def link_of(self, route: Route) -> Link: ...


class Scheduler(Protocol):
    """The event loop, as hosts use it. A process is passed as itself."""

    @property
    def current(self) -> Any: ...

    def true_time(self) -> float: ...

    def run_soon(
        self, context: contextvars.Context, callback: Callable[..., object], *args: object
    ) -> None: ...

    def start_task(
        self, coroutine: Coroutine[Any, Any, Any], name: str, context: contextvars.Context
    ) -> "asyncio.Task[Any]": ...

    def take_timers(self, process: Any) -> list[object]: ...

    def delay_timers(self, process: Any, delay_s: float) -> None: ...

    def queue(self, process: Any) -> None: ...

    def forget_generator(self, generator: Any) -> None: ...

    def power_on(self, address: str) -> None: ...


class Endpoint(Protocol):
    """An end of a connection, as its process uses it."""

    def process_died(self, *, is_silent: bool) -> None: ...


class Listener(Protocol):
    """A listening server, as its process uses it."""

    def close(self) -> None: ...
