"""How often something may happen: so many at once, and so many a second in the long run."""


class Allowance:
    """A token bucket. Times are monotonic seconds, the caller's."""

    __slots__ = ("_burst", "_left", "_per_s", "_time")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._time = now

    def spend(self, now: float, cost: float = 1.0) -> bool:
        """Take `cost` of what is left; False, and nothing is taken, when there is not enough."""
        self._left = min(self._burst, self._left + (now - self._time) * self._per_s)
        self._time = now
        if self._left < cost:
            return False
        self._left -= cost
        return True
