"""An allowance: a burst, then a rate."""

from liveserver.auth.rate_limit import Allowance, Allowances


def test_a_burst_is_spent_and_comes_back_with_time() -> None:
    allowance = Allowance(per_s=2, burst=3, now=10.0)

    assert [allowance.spend(10.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.spend(10.5), allowance.spend(10.5)] == [True, False]
    assert [allowance.spend(99.0) for _ in range(4)] == [True, True, True, False]


def test_each_key_has_an_allowance_of_its_own() -> None:
    allowances = Allowances(1.0, 2.0, remembered=10)

    assert [allowances.spend("a", 0.0) for _ in range(3)] == [True, True, False]
    assert allowances.spend("b", 0.0)
    assert allowances.spend("a", 1.0)


def test_no_more_keys_are_remembered_than_may_be() -> None:
    allowances = Allowances(1.0, 1.0, remembered=2)
    for key in "abc":
        allowances.spend(key, 0.0)

    assert len(allowances) == 2
    assert allowances.spend("a", 0.0)
    assert not allowances.spend("c", 0.0)
