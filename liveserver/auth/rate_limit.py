"""Token buckets: a sustained rate per second, and a burst."""

import math
from collections import OrderedDict


class TokenBucket:
    """A token bucket. Times are monotonic seconds, passed by the caller."""

    __slots__ = ("_burst", "_per_s", "_time", "_tokens")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._time = now

    def spend(self, now: float, cost: float = 1.0) -> bool:
        """Take `cost` tokens; return False and take none if there are not enough."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._per_s)
        self._time = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


class TokenBuckets:
    """A bucket per key, such as an address; at most `max_keys`, the least recently used are discarded.

    A discarded key starts again with a full bucket: with more keys than `max_keys` the limit is looser, never tighter.
    """

    def __init__(self, per_s: float, burst: float, max_keys: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def spend(self, key: str, now: float, cost: float = 1.0) -> bool:
        """Take tokens from the bucket of a key; return False and take none if there are not enough."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._per_s, self._burst, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.spend(now, cost)

    @property
    def retry_after_s(self) -> int:
        """The seconds after which an empty bucket has a token again, rounded up."""
        return max(1, math.ceil(1 / self._per_s)) if self._per_s else 3600
