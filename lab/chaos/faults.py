"""A reproducible schedule of process faults, drawn from a seed. The runner carries it out."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MIN_DELAY_FACTOR, MAX_DELAY_FACTOR = 0.5, 1.5
"""Bounds of the delay before a fault, as multiples of its mean."""
PAUSE_RATIO = 0.25
"""Share of the random faults that pause a process instead of killing it, where pauses are enabled."""
DOUBLE_KILL_RATIO = 0.15
"""Share of the random kills that kill two processes at the same moment."""
REPEATED_KILL_RATIO = 0.15
"""Share of the random kills that kill the same process once more while it starts."""
MIN_REPEAT_DELAY_S, MAX_REPEAT_DELAY_S = 0.2, 1.0
"""Bounds of the delay before the repeated kill: within the start of a process."""


class FaultKind(StrEnum):
    """What a fault does to a process."""

    KILL = "kill"
    """SIGKILL."""
    PAUSE = "pause"
    """SIGSTOP, and SIGCONT after `ChaosSettings.pause_s`: the process resumes with stale state."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the schedule."""

    kind: FaultKind
    targets: tuple[str, ...]
    """Names of the processes, hit at the same moment."""
    delay_s: float
    """Time to wait after the previous fault was injected; a pause may still last."""


def fault_schedule(
    processes: Sequence[str], seed: int, every_s: float, pausable: Sequence[str] = ()
) -> Iterator[Fault]:
    """Yield faults without end, on average one every `every_s` seconds; a repeated kill comes in addition.

    First each process is killed once and each pausable one paused once, in random order; after that kinds
    and targets are random (the ratios above). The same arguments give the same faults.
    """
    rng = random.Random(seed)
    first = [(FaultKind.KILL, name) for name in processes] + [(FaultKind.PAUSE, name) for name in pausable]
    rng.shuffle(first)
    for kind, name in first:
        yield Fault(kind, (name,), _random_delay_s(rng, every_s))
    while True:
        yield from _random_faults(rng, processes, every_s, pausable)


def _random_faults(
    rng: random.Random, processes: Sequence[str], every_s: float, pausable: Sequence[str]
) -> Iterator[Fault]:
    """Yield one fault, or a kill and its repetition."""
    delay_s = _random_delay_s(rng, every_s)
    if pausable and rng.random() < PAUSE_RATIO:
        yield Fault(FaultKind.PAUSE, (rng.choice(pausable),), delay_s)
        return
    # One number decides: the lowest share is a double kill, the highest a repeated one.
    draw = rng.random()
    if draw < DOUBLE_KILL_RATIO and len(processes) > 1:
        yield Fault(FaultKind.KILL, tuple(rng.sample(processes, 2)), delay_s)
        return
    target = (rng.choice(processes),)
    yield Fault(FaultKind.KILL, target, delay_s)
    if draw > 1 - REPEATED_KILL_RATIO:
        yield Fault(FaultKind.KILL, target, rng.uniform(MIN_REPEAT_DELAY_S, MAX_REPEAT_DELAY_S))


def _random_delay_s(rng: random.Random, mean_s: float) -> float:
    return rng.uniform(MIN_DELAY_FACTOR, MAX_DELAY_FACTOR) * mean_s
