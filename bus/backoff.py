"""Exponential back-off between retries."""

import asyncio


class Backoff:
    """Delays that double from `first_s` to `max_s` seconds until `reset`.

    `Backoff(0.1, 5.0)` waits 0.1 s, 0.2 s, 0.4 s ... 5 s, 5 s.
    """

    def __init__(self, first_s: float, max_s: float) -> None:
        assert 0 < first_s <= max_s, "a delay is above zero and does not shrink"
        self.first_s = first_s
        self.max_s = max_s
        self.next_s = first_s
        """The delay before the next retry."""

    def delay(self) -> float:
        """Return the delay before the next retry in seconds, and double the one after it."""
        delay_s, self.next_s = self.next_s, min(2 * self.next_s, self.max_s)
        return delay_s

    async def wait(self) -> None:
        """Sleep for the next delay."""
        await asyncio.sleep(self.delay())

    def reset(self) -> None:
        """Start again from the first delay, after a success."""
        self.next_s = self.first_s
