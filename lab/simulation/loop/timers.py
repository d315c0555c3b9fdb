"""Timers in order of their time, then of their creation, each owned by a process."""

import asyncio
import heapq
import math
from itertools import count

from lab.simulation.loop.handles import KernelTimer
from lab.simulation.loop.hosts import Process

Timer = asyncio.TimerHandle | KernelTimer

MIN_CANCELED = 1000
"""Canceled timers are removed when there are so many, and they are the majority."""


def true_due(when: float, process: Process) -> float:
    """Return the true time of a timer that is due at `when` by a process's clock.

    That clock is then not before `when`, as it could be by rounding: code that waits for it again would never end.
    """
    due = when + process.clock_lag_s
    while due - process.clock_lag_s < when:
        due = math.nextafter(due, math.inf)
    return due


class Timers:
    """The timers of all processes. Times are true times, in seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer, Process]] = []
        self._order = count()
        self._canceled = 0

    def add(self, due: float, handle: Timer, process: Process) -> None:
        heapq.heappush(self._heap, (due, next(self._order), handle, process))

    def next_due(self) -> float | None:
        """Return the time of the next timer; None when there is none."""
        heap = self._heap
        while heap:
            due, _, handle, process = heap[0]
            if not handle._cancelled and process.is_alive:
                return due
            heapq.heappop(heap)
        return None

    def is_due(self, now: float) -> bool:
        """Return whether a timer, perhaps a canceled one, is due."""
        return bool(self._heap) and self._heap[0][0] <= now

    def pop_due(self, now: float) -> tuple[Timer, Process] | None:
        """Remove and return the next timer that is due. Timers of paused processes are put aside, for `delay`."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, order, handle, process = heapq.heappop(heap)
            handle._scheduled = False  # type: ignore[union-attr]
            if handle._cancelled or not process.is_alive:
                continue
            if not process.is_paused:
                return handle, process
            process.held_timers.append((due, order, handle))
        return None

    def take(self, process: Process) -> list[object]:
        """Remove the timers of a process and return them."""
        taken: list[object] = [entry[2] for entry in self._heap if entry[3] is process]
        self._heap = [entry for entry in self._heap if entry[3] is not process]
        heapq.heapify(self._heap)
        return taken + [entry[2] for entry in process.held_timers]

    def delay(self, process: Process, delay_s: float) -> None:
        """Put off the timers of a process that was paused, and add those again that were put aside."""
        if delay_s:
            self._heap = [
                (_delayed(due + delay_s, handle, owner) if owner is process else due, order, handle, owner)
                for due, order, handle, owner in self._heap
            ]
            heapq.heapify(self._heap)
        for due, order, handle in process.held_timers:
            delayed = _delayed(due + delay_s, handle, process)
            heapq.heappush(self._heap, (delayed, order, handle, process))
        process.held_timers.clear()

    def note_canceled(self) -> None:
        """Note that a timer was canceled."""
        self._canceled += 1
        if self._canceled > MIN_CANCELED and self._canceled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2]._cancelled]
            heapq.heapify(self._heap)
            self._canceled = 0


def _delayed(due: float, handle: Timer, process: Process) -> float:
    """Return the true time of a timer that was put off, not before its time by the process's clock."""
    return max(due, true_due(handle.when(), process)) if isinstance(handle, asyncio.TimerHandle) else due
