"""The event loop: virtual time, a seeded order of the processes that can run, and no real input or output."""

import asyncio
import contextvars
import gc
import random
import socket
import weakref
from collections.abc import Callable, Coroutine
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from lab.simulation.loop.handles import KernelTimer, ReadyHandle
from lab.simulation.loop.hosts import PROCESS, Host, Process
from lab.simulation.loop.network import Network
from lab.simulation.loop.ready_queue import shuffle_steps
from lab.simulation.loop.tasks import SimulatedFuture, SimulatedTask
from lab.simulation.loop.timers import Timers, true_due

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH_NS = 1_700_000_000_000_000_000
"""The wall clock at virtual time 0."""
MAX_ROUNDS_AT_ONCE = 100_000
"""So many rounds without a wait are a busy loop."""
ROUNDS_PER_TICK, TICK_S = 1_000, 1e-6
"""So many rounds take so many seconds: code may wait for a time that is less than the clock can tell."""
COLLECT_INTERVAL = 50_000
FULL_COLLECT_INTERVAL = 5_000_000
"""Garbage is collected after so many callbacks: at the same points in each run."""


class StalledError(RuntimeError):
    """Every task waits for something that will not happen, or time does not pass."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """A deterministic event loop for several simulated hosts.

    Callbacks of one process run in the order of asyncio. Which of several processes goes first is drawn; with
    `shuffle`, also which of a process's tasks, when several are ready next to each other.
    """

    if TYPE_CHECKING:  # of the base class
        _debug: bool
        _closed: bool
        _stopping: bool
        _asyncgens: weakref.WeakSet[Any]

        def _check_closed(self) -> None: ...

        def _check_callback(self, callback: object, method: str) -> None: ...

    def __init__(self, seed: int, *, shuffle: bool = True) -> None:
        super().__init__()
        self._seed = seed
        self.random = random.Random(f"schedule {seed}")
        self.network = Network(self, random.Random(f"network {seed}"))
        self.hosts: dict[str, Host] = {}
        self.handles = 0
        """Number of callbacks run."""
        self._shuffles = shuffle
        self._now = 0.0
        self._task_numbers = count(1)
        self.object_numbers = count(1)
        self._timers = Timers()
        self._runnable: list[Process] = []
        self._rounds_at_once = 0
        self._kernel = Process(Host(self, "kernel", "0.0.0.0"))
        self.current: Process = self.host("world", "10.255.255.1").process

    def host(self, name: str, address: str) -> Host:
        """Return a new host; names and addresses are unique."""
        assert name not in self.hosts, f"there is a host {name} already"
        host = self.hosts[name] = Host(self, name, address)
        self.network.add(host)
        return host

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the host `world` until it ends, then crash all hosts and close the loop.

        Meanwhile the functions of the module `random`, which code under test may use, depend on the seed.
        Raises: StalledError when nothing is left to do.
        """
        was_enabled, state = gc.isenabled(), random.getstate()
        gc.disable()
        random.seed(f"code {self._seed}")
        try:
            result: T = self.run_until_complete(self.hosts["world"].spawn(main, "main"))
            return result
        finally:
            self.end()
            random.setstate(state)
            if was_enabled:
                gc.enable()

    def end(self) -> None:
        """Crash all hosts, so that none of their code runs any more, and close the loop."""
        self.current = self._kernel
        for host in self.hosts.values():
            host.crash()
        self.close()

    def time(self) -> float:
        """Return the monotonic time of the running process, in seconds."""
        return self._now - self.current.clock_lag_s

    def true_time(self) -> float:
        """Return the virtual time since the start, in seconds, whatever the clocks of the hosts say."""
        return self._now

    def true_time_ns(self) -> int:
        """Return the true wall clock time, in nanoseconds since the epoch."""
        return EPOCH_NS + round(self._now * 1e9)

    def wall_time_ns(self) -> int:
        """Return the wall clock time of the running host, in nanoseconds since the epoch."""
        process = self.current
        lag_ns = round(process.clock_lag_s * 1e9) - process.wall_correction_ns
        return self.true_time_ns() - lag_ns + process.host.wall_offset_ns

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        if self._closed:
            self._check_closed()
        handle: asyncio.Handle
        if self._debug:
            self._check_callback(callback, "call_soon")
            handle = asyncio.Handle(callback, args, self, context)
        else:
            handle = ReadyHandle(callback, args, self, context)
        process = self.current if context is None else context.get(PROCESS, self.current)
        if process.is_alive:
            process.ready.append(handle)
            if not process.is_queued and not process.is_paused:
                process.is_queued = True
                self._runnable.append(process)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        self._check_closed()
        if self._debug:
            self._check_callback(callback, "call_at")
        process = self._process_of(context)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        handle._scheduled = True  # type: ignore[attr-defined]
        if process.is_alive:
            self._timers.add(max(true_due(when, process), self._now), handle, process)
        return handle

    def call_kernel(self, when: float, callback: Callable[..., object], *args: object) -> None:
        """Call a function at a true time, for no process."""
        self._timers.add(max(when, self._now), KernelTimer(callback, args), self._kernel)

    def create_task(  # type: ignore[override] # options differ between the versions of Python
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> Any:
        self._check_closed()
        process = self._process_of(context)
        name = name or f"Task-{next(self._task_numbers)}"
        task = SimulatedTask(coro, loop=self, name=name, context=context, **options)
        process.tasks.add(task)
        return task

    def create_future(self) -> SimulatedFuture:
        return SimulatedFuture(loop=self)

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """Call a function soon, in the loop's thread. It must not wait for something else in the simulation."""
        future = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - raised to the caller, by the future
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_soon(run)
        return future

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Set the handler for `Host.signal`; the real process has none."""
        self.current.signal_handlers[sig] = (callback, args)

    def remove_signal_handler(self, sig: int) -> bool:
        return self.current.signal_handlers.pop(sig, None) is not None

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        found = self.network.resolve(host, self.current.host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (found.address, int(port or 0)))]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        return str(sockaddr[0]), str(sockaddr[1])

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        return await self.network.create_connection(protocol_factory, host, port, **options)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        return self.network.create_server(protocol_factory, host, port, **options)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket in the simulation; the real socket stays unconnected and is closed later."""
        await self.network.connect_socket(sock, address)

    def start_task(
        self, coroutine: Coroutine[Any, Any, Any], name: str, context: contextvars.Context
    ) -> "asyncio.Task[Any]":
        """Start a task in the process that a context belongs to."""
        return self.create_task(coroutine, name=name, context=context)  # type: ignore[no-any-return]

    def run_soon(self, context: contextvars.Context, callback: Callable[..., object], *args: object) -> None:
        """Call a function soon in the process that a context belongs to."""
        self.call_soon(callback, *args, context=context)

    def power_on(self, address: str) -> None:
        """Let what was sent to a host without power arrive."""
        self.network.power_on(address)

    def queue(self, process: Process) -> None:
        """Note that a process has callbacks to run."""
        if process.ready and not process.is_queued and not process.is_paused and process.is_alive:
            process.is_queued = True
            self._runnable.append(process)

    def take_timers(self, process: Process) -> list[object]:
        """Remove the timers of a process and return them."""
        return self._timers.take(process)

    def delay_timers(self, process: Process, delay_s: float) -> None:
        """Put off the timers of a process that was paused, and schedule those that became due meanwhile."""
        self._timers.delay(process, delay_s)

    def forget_generator(self, generator: Any) -> None:
        """Do not close an asynchronous generator with the loop."""
        self._asyncgens.discard(generator)

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]
        self.current.generators.add(agen)

    def _process_of(self, context: contextvars.Context | None) -> Process:
        if context is None:
            return self.current
        found = context.get(PROCESS)
        return self.current if found is None else found

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._timers.note_canceled()

    def _run_once(self) -> None:
        """Run processes until the loop is to stop."""
        runnable, timers, draw = self._runnable, self._timers, self.random.random
        while not self._stopping:
            if timers.is_due(self._now):
                self._take_due_timers()
            if not runnable:
                self._advance()
                continue
            self._rounds_at_once += 1
            if not self._rounds_at_once % ROUNDS_PER_TICK:
                self._now += TICK_S
            if self._rounds_at_once > MAX_ROUNDS_AT_ONCE:
                raise StalledError(
                    f"time stands still at {self._now:g} s: {runnable[0].host.name} is in a busy loop"
                )
            number = len(runnable)
            at = int(draw() * number) if number > 1 else 0
            process = runnable[at]
            runnable[at] = runnable[-1]
            runnable.pop()
            self._run_process(process)

    def _run_process(self, process: Process) -> None:
        """Run the callbacks of a process that are ready now."""
        process.is_queued = False
        if process.is_paused or not process.is_alive:
            return
        ready, before = process.ready, self.current
        number = len(ready)
        if self._shuffles and number > 1:
            shuffle_steps(process.ready, self.random)
        self.current = process
        try:
            for _ in range(number):
                if not ready or process.is_paused:  # one of its callbacks paused or crashed it
                    break
                handle = ready.popleft()
                if not handle._cancelled:
                    self.handles += 1
                    try:
                        handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001 - as asyncio does
                        self._report(handle, error)
                    if not self.handles % COLLECT_INTERVAL and not gc.isenabled():
                        gc.collect(2 if not self.handles % FULL_COLLECT_INTERVAL else 1)
        finally:
            self.current = before
            self.queue(process)

    def _report(self, handle: asyncio.Handle, error: BaseException) -> None:
        text = f"Exception in callback {handle!r}"
        self.call_exception_handler({"message": text, "exception": error, "handle": handle})

    def _take_due_timers(self) -> None:
        while (found := self._timers.pop_due(self._now)) is not None:
            handle, process = found
            if isinstance(handle, KernelTimer):
                handle.run()
            else:
                process.ready.append(handle)
                self.queue(process)

    def _advance(self) -> None:
        """Let time pass until the next timer."""
        due = self._timers.next_due()
        if due is None:
            raise StalledError(f"nothing is left to do at {self._now:g} s: every task waits for ever")
        self._now = max(self._now, due)
        self._rounds_at_once = 0

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: object) -> None:
        pass
