"""A reproducible schedule of process faults, drawn from a seed. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MIN_DELAY_S = 0.05
DOUBLE_KILL_RATIO = 0.15
"""Share of faults that kill two processes at the same moment."""
REPEATED_KILL_RATIO = 0.15
"""Share of faults that kill the same process again while it starts."""
PAUSE_RATIO = 0.25
"""Share of faults that pause a process instead of killing it, where pauses are enabled."""


class FaultKind(StrEnum):
    """What a fault does to a process."""

    KILL = "kill"
    """SIGKILL."""
    PAUSE = "pause"
    """SIGSTOP, and SIGCONT later: the process resumes with stale state."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and its delay after the previous one."""

    kind: FaultKind
    targets: tuple[str, ...]
    delay_s: float


def fault_schedule(
    processes: Sequence[str], seed: int, every_s: float, pausable: Sequence[str] = ()
) -> Iterator[Fault]:
    """Yield faults without end, on average one every `every_s` seconds.

    First each process is killed once and each pausable one paused once, in random order; after that kinds
    and targets are random. The same arguments give the same faults.
    """
    rng = random.Random(seed)
    first = [(FaultKind.KILL, name) for name in processes] + [(FaultKind.PAUSE, name) for name in pausable]
    rng.shuffle(first)
    for kind, name in first:
        yield Fault(kind, (name,), rng.uniform(0.5, 1.5) * every_s)
    while True:
        yield from _random_faults(rng, processes, every_s, pausable)


def _random_faults(
    rng: random.Random, processes: Sequence[str], every_s: float, pausable: Sequence[str]
) -> Iterator[Fault]:
    delay_s = rng.uniform(0.5, 1.5) * every_s
    if pausable and rng.random() < PAUSE_RATIO:
        yield Fault(FaultKind.PAUSE, (rng.choice(pausable),), delay_s)
        return
    draw = rng.random()
    if draw < DOUBLE_KILL_RATIO and len(processes) > 1:
        yield Fault(FaultKind.KILL, tuple(rng.sample(processes, 2)), delay_s)
        return
    target = (rng.choice(processes),)
    yield Fault(FaultKind.KILL, target, delay_s)
    if draw > 1 - REPEATED_KILL_RATIO:
        yield Fault(FaultKind.KILL, target, max(MIN_DELAY_S, rng.uniform(0.2, 1.0)))
