"""Which faults a seed injects, and when."""

import pytest

from lab.simulation.faults.fault import Effect
from lab.simulation.faults.schedule import FAULTS, UnknownFault, plan, switched_on

RUN_S = 360.0


def test_the_same_seed_gives_the_same_plan_and_others_differ() -> None:
    assert plan(5, RUN_S) == plan(5, RUN_S)
    assert plan(5, RUN_S) != plan(6, RUN_S)


def test_seeds_switch_on_subsets_of_the_faults() -> None:
    chosen = [switched_on(seed) for seed in range(300)]
    drawn = {name for name, each in FAULTS.items() if not each.is_by_name_only}
    assert {name for names in chosen for name in names} == drawn
    assert all(len(names) < len(FAULTS) / 2 + 5 for names in chosen)


def test_a_minority_of_the_seeds_loses_records() -> None:
    losing = [
        seed
        for seed in range(300)
        if any(FAULTS[n].effect is not Effect.RECORDS_ARE_KEPT for n in switched_on(seed))
    ]
    assert 30 < len(losing) < 100


def test_all_faults_end_with_the_run() -> None:
    for seed in range(20):
        assert all(each.at_s + each.duration_s <= RUN_S for each in plan(seed, RUN_S))


def test_the_times_of_a_fault_do_not_depend_on_the_others() -> None:
    both = plan(3, RUN_S, ["kill", "pause"])
    assert [each for each in both if each.fault.name == "kill"] == plan(3, RUN_S, ["kill"])


def test_a_number_selects_one_injection() -> None:
    first, second, *_ = plan(1, 36_000.0, ["kill"])
    assert plan(1, 36_000.0, ["kill#2"]) == [second]
    assert plan(1, 36_000.0, ["kill#2", "kill#1"]) == [first, second]


@pytest.mark.parametrize("word", ["kil", "kill#0", "kill#x", "", "KILL"])
def test_an_unknown_fault_is_refused_by_its_name(word: str) -> None:
    with pytest.raises(UnknownFault, match="there is no fault"):
        plan(1, RUN_S, [word])
