"""CPU affinity and CPU time: the measured server has one core to itself, all else the others."""

import contextlib
import os
import sys
from collections.abc import Iterator, Set
from pathlib import Path

_ALL_CORES = (
    frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset(range(os.cpu_count() or 1))
)
SERVER_CORES = frozenset(sorted(_ALL_CORES)[:1])
OTHER_CORES = _ALL_CORES - SERVER_CORES or SERVER_CORES


@contextlib.contextmanager
def pinned_to(cores: Set[int]) -> Iterator[None]:
    """Pin this process, and the processes it starts meanwhile, to `cores`. No effect except on Linux."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, in seconds; 0 except on Linux."""
    if sys.platform != "linux":
        return 0.0
    # `4242 (python3) S 1 ...`: the fields after the name, of which utime and stime are in clock ticks.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
