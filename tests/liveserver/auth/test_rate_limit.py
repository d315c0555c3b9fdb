"""Token buckets: a burst, then a sustained rate."""

from liveserver.auth.rate_limit import TokenBucket, TokenBuckets


def test_burst_is_spent_and_refills_over_time() -> None:
    bucket = TokenBucket(per_s=2, burst=3, now=10.0)

    assert [bucket.spend(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.spend(10.5), bucket.spend(10.5)] == [True, False]
    assert [bucket.spend(99.0) for _ in range(4)] == [True, True, True, False]


def test_each_key_has_its_own_bucket() -> None:
    buckets = TokenBuckets(1.0, 2.0, max_keys=10)

    assert [buckets.spend("a", 0.0) for _ in range(3)] == [True, True, False]
    assert buckets.spend("b", 0.0)
    assert buckets.spend("a", 1.0)


def test_least_recently_used_keys_are_discarded() -> None:
    buckets = TokenBuckets(1.0, 1.0, max_keys=2)
    for key in "abc":
        buckets.spend(key, 0.0)

    assert len(buckets) == 2
    assert buckets.spend("a", 0.0)
    assert not buckets.spend("c", 0.0)
