"""What a process reads besides its inputs: its clocks, random numbers, new ids, and where it runs.

All code takes these from here, so that a simulation can provide others. Not wanted here are the time of the event loop
(`asyncio.get_running_loop().time()`), which a simulated loop provides itself, and keys and other secrets.
"""

import os
import random
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager


class Runtime:
    """The clocks, random numbers and identity of this process as the operating system provides them."""

    def time_ns(self) -> int:
        """Return the wall clock time in nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return the monotonic time in nanoseconds, from an unknown start."""
        return time.monotonic_ns()

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between two bounds."""
        return random.uniform(low, high)

    def background_s(self, seconds: float) -> float:
        """Return the length of a period of background work; see the function."""
        return seconds

    def new_id(self) -> str:
        """Return 32 random hexadecimal digits."""
        return uuid.uuid4().hex

    def host_name(self) -> str:
        return socket.gethostname()

    def process_id(self) -> int:
        return os.getpid()


_runtime = Runtime()


@contextmanager
def provided(runtime: Runtime) -> Iterator[None]:
    """Take clocks, random numbers and identity from `runtime` within the context."""
    global _runtime  # noqa: PLW0603 - there is one in a process
    before, _runtime = _runtime, runtime
    try:
        yield
    finally:
        _runtime = before


def time_ns() -> int:
    """Return the wall clock time in nanoseconds since the epoch."""
    return _runtime.time_ns()


def time_s() -> float:
    """Return the wall clock time in seconds since the epoch."""
    return _runtime.time_ns() / 1e9


def monotonic_ns() -> int:
    """Return the monotonic time in nanoseconds, from an unknown start."""
    return _runtime.monotonic_ns()


def monotonic_s() -> float:
    """Return the monotonic time in seconds, from an unknown start."""
    return _runtime.monotonic_ns() / 1e9


def uniform(low: float, high: float) -> float:
    """Return a random number between two bounds."""
    return _runtime.uniform(low, high)


def background_s(seconds: float) -> float:
    """Return a period of background work, such as renewals and checks, or the time within which it must happen.

    It is the given one; a simulation may stretch all of them alike, to spend its time on other things.
    """
    return _runtime.background_s(seconds)


def new_id() -> str:
    """Return 32 random hexadecimal digits."""
    return _runtime.new_id()


def host_name() -> str:
    """Return the name of the machine."""
    return _runtime.host_name()


def process_id() -> int:
    """Return the number of this process."""
    return _runtime.process_id()
