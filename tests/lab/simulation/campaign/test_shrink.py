"""Shrinking the faults of a failing run."""

from collections.abc import Sequence

from lab.simulation.campaign.shrink import MAX_RUNS, shrink


def injections(kinds: Sequence[str]) -> list[str]:
    return [f"{kind}#{number}" for kind in kinds for number in (1, 2, 3)]


def has(wanted: str, faults: Sequence[str]) -> bool:
    """Whether the injection `wanted` is among faults, by itself or as one of its kind."""
    return wanted in faults or wanted.partition("#")[0] in faults


def test_what_the_failure_does_not_need_is_left_out() -> None:
    def fails(faults: Sequence[str]) -> bool:
        return has("kill#2", faults) and has("pause#3", faults)

    assert shrink(["reset", "kill", "slow", "pause"], injections, fails) == ("kill#2", "pause#3")


def test_a_kind_that_is_needed_as_a_whole_is_named_by_its_kind() -> None:
    def fails(faults: Sequence[str]) -> bool:
        return all(has(f"kill#{number}", faults) for number in (1, 2, 3))

    assert shrink(["reset", "kill"], injections, fails) == ("kill",)


def test_the_number_of_runs_is_bounded() -> None:
    runs: list[tuple[str, ...]] = []
    kinds = [f"fault-{number}" for number in range(40)]

    def fails(faults: tuple[str, ...]) -> bool:
        runs.append(faults)
        return False

    shrink(kinds, injections, fails)
    assert len(runs) <= MAX_RUNS
