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
        self._refill(now)
        # What costs more than a full bucket is possible with a full one.
        cost = min(cost, self._burst)
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    def charge(self, now: float, cost: float) -> None:
        """Take `cost` tokens for what was done already. The debt is at most one burst."""
        self._refill(now)
        self._tokens = max(self._tokens - cost, -self._burst)

    def is_in_debt(self, now: float) -> bool:
        """Return whether more was charged than there were tokens."""
        self._refill(now)
        return self._tokens < 0

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._per_s)
        self._time = now


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
        return self._bucket(key, now).spend(now, cost)

    def charge(self, key: str, now: float, cost: float) -> None:
        """Take tokens for what was done already, as `TokenBucket.charge`."""
        self._bucket(key, now).charge(now, cost)

    def is_in_debt(self, key: str, now: float) -> bool:
        """Return whether more was charged to a key than it had."""
        bucket = self._buckets.get(key)
        return bucket is not None and bucket.is_in_debt(now)

    def _bucket(self, key: str, now: float) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._per_s, self._burst, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket

    @property
    def retry_after_s(self) -> int:
        """The seconds after which an empty bucket has a token again, rounded up."""
        return max(1, math.ceil(1 / self._per_s)) if self._per_s else 3600
