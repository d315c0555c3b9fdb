"""What dies when."""

from itertools import islice, pairwise

from lab.chaos.faults import Blow, Deed, blows

PARTS = ("engine-1", "engine-2", "gateway-1", "gateway-2", "venue", "bus")


def plan(count: int, seed: int = 1, pausable: tuple[str, ...] = ()) -> list[Blow]:
    return list(islice(blows(PARTS, seed, 1.0, pausable), count))


def test_every_part_dies_once_before_any_dies_again() -> None:
    assert {blow.targets[0] for blow in plan(len(PARTS))} == set(PARTS)


def test_every_part_that_may_be_paused_is_paused_once_first() -> None:
    first = plan(len(PARTS) + 2, pausable=("engine-1", "bus"))
    assert {blow.targets[0] for blow in first if blow.deed is Deed.PAUSE} == {"engine-1", "bus"}


def test_nothing_is_paused_that_may_not_be() -> None:
    assert all(blow.deed is Deed.KILL for blow in plan(200))


def test_sometimes_two_die_at_once_and_sometimes_one_dies_while_it_starts() -> None:
    later = plan(200)[len(PARTS) :]
    again = [b for a, b in pairwise(later) if a.targets == b.targets and b.after_s <= 1.0]
    assert any(len(blow.targets) == 2 for blow in later)
    assert again


def test_a_seed_repeats_its_plan() -> None:
    assert plan(50, seed=5, pausable=("bus",)) == plan(50, seed=5, pausable=("bus",))
    assert plan(50, seed=5) != plan(50, seed=6)
