"""Pauses of this process itself: its own gap must not be taken for the silence of others."""

import asyncio
import math
from collections.abc import Callable
from typing import Never

from bus.runtime import background_s, monotonic_s

TICK_S = 0.25
"""Seconds between two ticks."""
MAX_GAP_S = 1.0
"""A longer gap between two ticks means that this process was paused: stopped, suspended or starved of CPU time."""


class Attention:
    """Measures the silence of others by the monotonic clock, without the time before the end of an own pause.

    Messages that arrived during a pause are still unread when it ends. `run` must run, or
    `tick` be called every `TICK_S` seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._ticked_s = clock()
        self.attentive_since_s = self._ticked_s
        """When this process started to listen, or continued after its last pause; by the monotonic clock."""
        self._resumed_s = -math.inf

    async def run(self) -> Never:
        """Tick for ever."""
        while True:
            self.tick()
            await asyncio.sleep(background_s(TICK_S))

    def tick(self) -> float:
        """Return the monotonic time, noticing the end of a pause."""
        now_s = self._clock()
        if now_s - self._ticked_s > background_s(MAX_GAP_S):
            self.attentive_since_s = self._resumed_s = now_s
        self._ticked_s = now_s
        return now_s

    def restart(self) -> None:
        """Count no silence before now: nothing could be received, for example without a connection."""
        self.attentive_since_s = self.tick()

    def since_pause_s(self) -> float:
        """Return the seconds since the end of the last pause; infinite if there was none."""
        return self.tick() - self._resumed_s

    def silence_s(self, received_s: float) -> float:
        """Return the seconds without a message since the last one at `received_s`, pauses of this process excluded."""
        now_s = self.tick()
        return now_s - max(received_s, self.attentive_since_s)
