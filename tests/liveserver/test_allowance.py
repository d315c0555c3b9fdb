"""An allowance: a burst, then a rate."""

from liveserver.allowance import Allowance


def test_a_burst_is_spent_and_comes_back_with_time() -> None:
    allowance = Allowance(per_s=2, burst=3, now=10.0)

    assert [allowance.spend(10.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.spend(10.5), allowance.spend(10.5)] == [True, False]
    assert [allowance.spend(99.0) for _ in range(4)] == [True, True, True, False]
