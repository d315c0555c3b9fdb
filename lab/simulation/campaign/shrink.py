"""Shrink the faults of a failing run to the fewest with which it still fails."""

from collections.abc import Callable, Sequence

MAX_RUNS = 60

Fails = Callable[[tuple[str, ...]], bool]
"""Runs with these faults and returns whether it fails in the same way."""


def shrink(
    kinds: Sequence[str], injections: Callable[[Sequence[str]], Sequence[str]], fails: Fails
) -> tuple[str, ...]:
    """Return the fewest faults with which a run fails: first whole kinds are left out, then single injections.

    `injections` returns the single injections of kinds: `kill#1`, `kill#2` of `kill`. At most `MAX_RUNS` runs are made.
    """
    budget = [MAX_RUNS]
    found = _reduce(tuple(kinds), fails, budget)
    single = _reduce(tuple(injections(found)), fails, budget)
    # As kinds they are shorter to write, when no injection could be left out.
    return found if set(single) == set(injections(found)) else single


def _reduce(faults: tuple[str, ...], fails: Fails, budget: list[int]) -> tuple[str, ...]:
    """Leave out halves, quarters and so on, so long as the run fails without them."""
    size = len(faults)
    while size > 1 and budget[0] > 0:
        size = max(size // 2, 1)
        start = 0
        while start < len(faults) and budget[0] > 0:
            fewer = faults[:start] + faults[start + size :]
            budget[0] -= 1
            if fewer != faults and fails(fewer):
                faults = fewer
            else:
                start += size
    return faults
