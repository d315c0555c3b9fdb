"""The fault schedule."""

from itertools import islice, pairwise

from lab.chaos.faults import Fault, FaultKind, fault_schedule

PROCESSES = ("engine-1", "engine-2", "gateway-1", "gateway-2", "venue", "bus")


def schedule(count: int, seed: int = 1, pausable: tuple[str, ...] = ()) -> list[Fault]:
    return list(islice(fault_schedule(PROCESSES, seed, 1.0, pausable), count))


def test_every_process_is_killed_once_before_any_is_killed_again() -> None:
    assert {fault.targets[0] for fault in schedule(len(PROCESSES))} == set(PROCESSES)


def test_every_pausable_process_is_paused_once_in_the_first_round() -> None:
    first = schedule(len(PROCESSES) + 2, pausable=("engine-1", "bus"))
    assert {fault.targets[0] for fault in first if fault.kind is FaultKind.PAUSE} == {"engine-1", "bus"}


def test_without_pausable_processes_nothing_is_paused() -> None:
    assert all(fault.kind is FaultKind.KILL for fault in schedule(200))


def test_some_faults_kill_two_processes_at_once_or_one_while_it_starts() -> None:
    later = schedule(200)[len(PROCESSES) :]
    repeated = [b for a, b in pairwise(later) if a.targets == b.targets and b.delay_s <= 1.0]
    assert any(len(fault.targets) == 2 for fault in later)
    assert repeated


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(50, seed=5, pausable=("bus",)) == schedule(50, seed=5, pausable=("bus",))
    assert schedule(50, seed=5) != schedule(50, seed=6)
