"""How often something may happen: so many at once, and so many a second in the long run."""

import math
from collections import OrderedDict


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


class Allowances:
    """A bucket for each key, such as an address; the keys that were quiet the longest are forgotten.

    A forgotten key starts with a full bucket: with `remembered` keys at work at once, memory is bounded and the limit
    is looser, never tighter.
    """

    def __init__(self, per_s: float, burst: float, remembered: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._remembered = remembered
        self._buckets: OrderedDict[str, Allowance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def spend(self, key: str, now: float, cost: float = 1.0) -> bool:
        """Take from a key's bucket; False, and nothing is taken, when there is not enough."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Allowance(self._per_s, self._burst, now)
            if len(self._buckets) > self._remembered:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.spend(now, cost)

    @property
    def wait_s(self) -> int:
        """Return after how many whole seconds there is one more."""
        return max(1, math.ceil(1 / self._per_s)) if self._per_s else 3600
