"""Hosts and their processes: a process is a group of tasks, callbacks, timers and connections that live and die together."""

import asyncio
import contextvars
import ctypes
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from lab.simulation.loop.interfaces import Endpoint, Listener, Scheduler

PROCESS: contextvars.ContextVar["Process"] = contextvars.ContextVar("simulated_process")

_dead: list[object] = []
"""What belonged to crashed processes. Never freed: a suspended coroutine that is freed runs its `finally` blocks."""
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_dead))  # not even when the interpreter ends


class Process:
    """What runs on a host, from its start to its crash."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.is_alive = True
        self.is_paused = False
        self.ready: deque[asyncio.Handle] = deque()
        self.is_queued = False
        """Whether the loop knows that it has ready callbacks."""
        self.held_timers: list[tuple[float, int, Any]] = []
        """Timers that became due during a pause."""
        self.clock_lag_s = 0.0
        """How long its clock has stood still."""
        self.wall_correction_ns = 0
        """How far its wall clock was set forward since, as by a time service."""
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.spawned: dict[asyncio.Task[Any], None] = {}
        """Unfinished tasks that were started by `Host.spawn`; the event loop itself keeps no task alive."""
        self.generators: weakref.WeakSet[Any] = weakref.WeakSet()
        self.transports: dict[Endpoint, None] = {}
        self.servers: dict[Listener, None] = {}
        self.signal_handlers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, self)


class Host:
    """A named machine with an address, which runs one process at a time. Created by `SimulatedLoop.host`."""

    def __init__(self, loop: Scheduler, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.wall_offset_ns = 0
        """How far its clock is ahead of the true time."""
        self.process = Process(self)
        self.is_powered = True
        """Whether its kernel answers: after a loss of power, connections to it hang."""
        self._loop = loop
        self._paused_at = 0.0
        self.next_port = 40_000

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.address}>"

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> "asyncio.Task[Any]":
        """Start a coroutine as a task of the host; after a crash this starts a new process."""
        if not self.process.is_alive:
            self.process = Process(self)
        if not self.is_powered:
            self.is_powered = True
            self._loop.power_on(self.address)
        process = self.process
        task = self._loop.start_task(coroutine, name or self.name, process.context.copy())
        process.spawned[task] = None
        task.add_done_callback(lambda done: process.spawned.pop(done, None), context=process.context.copy())
        return task

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function soon, in the context of the host."""
        self._loop.run_soon(self.process.context.copy(), function, *arguments)

    def crash(self, *, is_power_lost: bool = False) -> None:
        """Stop the process at once, as SIGKILL does: its tasks vanish, and run no `finally`.

        The kernel closes its connections; after a loss of power nothing does, and the peers are left half open.
        Call it from another host, or from the code that runs the simulation.
        """
        process = self.process
        assert process is not self._loop.current, (
            "a process cannot crash itself: call `crash` from another host"
        )
        if not process.is_alive:
            return
        process.is_alive = False
        self.is_powered = not is_power_lost
        tasks, generators = list(process.tasks), list(process.generators)
        kept = [process, tasks, generators, [*process.ready], [*process.transports], [*process.servers]]
        _dead.append([*kept, self._loop.take_timers(process)])
        for task in tasks:
            asyncio.tasks._unregister_task(task)
        for generator in generators:
            self._loop.forget_generator(generator)
        process.ready.clear()
        for server in list(process.servers):
            server.close()
        for transport in list(process.transports):
            transport.process_died(is_silent=is_power_lost)

    def pause(self) -> None:
        """Let the process stand still: its callbacks and timers wait, and its connections buffer."""
        if not self.process.is_paused:
            self.process.is_paused = True
            self._paused_at = self._loop.true_time()

    def resume(self, *, has_clock_stopped: bool = False) -> None:
        """Let the process continue. Overdue timers fire at once, as after SIGSTOP, or have as long to go as before the
        pause if the clock stood still as well, as that of a suspended virtual machine.
        """
        process = self.process
        if not process.is_paused:
            return
        process.is_paused = False
        stopped_s = self._loop.true_time() - self._paused_at
        if has_clock_stopped:
            process.clock_lag_s += stopped_s
            self._loop.delay_timers(process, stopped_s)
        else:
            self._loop.delay_timers(process, 0.0)
        self._loop.queue(process)

    def set_clock(self) -> None:
        """Set the wall clock right, as a time service does."""
        self.wall_offset_ns = 0
        self.process.wall_correction_ns = round(self.process.clock_lag_s * 1e9)

    @property
    def clock_error_ns(self) -> int:
        """How far the wall clock is ahead of the true time."""
        process = self.process
        return self.wall_offset_ns + process.wall_correction_ns - round(process.clock_lag_s * 1e9)

    def signal(self, number: int) -> None:
        """Deliver a signal: calls the handler that the process has set for it, if any."""
        handler = self.process.signal_handlers.get(number)
        if handler is not None:
            self.call(handler[0], *handler[1])
